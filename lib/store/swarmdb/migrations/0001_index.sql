-- Conversations whose histories are indexed.
CREATE TABLE swarm_convs (
	num  INTEGER PRIMARY KEY,
	id   BLOB NOT NULL UNIQUE, -- the first commit's id
	head BLOB                  -- whose history is in line; null before there is one
) STRICT;

-- Commits, numbered in the order in which they were learned: parents before
-- children.
CREATE TABLE swarm_commits (
	num     INTEGER PRIMARY KEY,
	conv    INTEGER NOT NULL REFERENCES swarm_convs (num) ON DELETE CASCADE,
	id      BLOB NOT NULL,
	tree    BLOB NOT NULL,
	parents BLOB NOT NULL,    -- ids, 20 bytes each
	device  BLOB NOT NULL,    -- of the author; 32 bytes if it is 64 hex digits, else after a NUL as it stands
	time    INTEGER NOT NULL, -- the committer's, seconds since 1970
	gen     INTEGER NOT NULL  -- one more than the greatest of the parents'
) STRICT;

CREATE UNIQUE INDEX swarm_commits_id ON swarm_commits (conv, id);

-- The history of a conversation's head in line; the first commit is at 0.
CREATE TABLE swarm_line (
	conv INTEGER NOT NULL REFERENCES swarm_convs (num) ON DELETE CASCADE,
	at   INTEGER NOT NULL,
	num  INTEGER NOT NULL, -- the commit
	cut  INTEGER NOT NULL, -- 1: all older ones stand as if it were the head
	PRIMARY KEY (conv, at)
) STRICT, WITHOUT ROWID;

CREATE INDEX swarm_line_commit ON swarm_line (num);

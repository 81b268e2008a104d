-- State of package remote: pairings of remote control, on either side. doc is
-- the whole row as JSON with the keys in it. Columns marked [sealed] hold
-- sealed values in an encrypted database, those marked [token] equal ones for
-- equal values.

-- Controllers that may drive this profile.
CREATE TABLE remote_ctrls (
  ctrl_id INTEGER PRIMARY KEY AUTOINCREMENT,
  doc     ANY NOT NULL      -- [sealed]
) STRICT;

-- Their commands, so that each is run once.
CREATE TABLE remote_commands (
  command_id INTEGER PRIMARY KEY AUTOINCREMENT,
  ctrl_id    INTEGER NOT NULL REFERENCES remote_ctrls ON DELETE CASCADE,
  name       ANY NOT NULL,  -- [token] the controller's name for it
  result     ANY,           -- [sealed] the answer; null: it was never finished
  UNIQUE (ctrl_id, name)
) STRICT;

-- Hosts that this program drives.
CREATE TABLE remote_hosts (
  host_id INTEGER PRIMARY KEY AUTOINCREMENT,
  seq     INTEGER NOT NULL, -- of the last event given on; -1: none
  doc     ANY NOT NULL      -- [sealed]
) STRICT;

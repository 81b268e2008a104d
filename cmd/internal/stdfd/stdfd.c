// This runs before the Go runtime, which opens /dev/null in the place of
// standard streams that are closed.

#include <fcntl.h>

int stdfd_closed[3];

__attribute__((constructor)) static void look(void) {
	for (int fd = 0; fd < 3; fd++)
		stdfd_closed[fd] = fcntl(fd, F_GETFD) == -1;
}

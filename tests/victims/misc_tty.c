/* What stdin, stdout and stderr are, terminal or not, is answered from the recording. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

int main(void) {
    for (int fd = 0; fd < 4; fd++) {
        struct termios term;
        struct winsize size;
        struct stat s;
        char path[32], target[256];
        memset(&term, 0, sizeof term);
        printf("descriptor %d\n", fd);
        SHOW(isatty(fd));
        SHOW(tcgetattr(fd, &term));
        SHOW(ioctl(fd, TIOCGWINSZ, &size));
        SHOW(fstat(fd, &s) == 0 ? (long)s.st_ino : -1);
        SHOW(lseek(fd, 0, SEEK_CUR));
        SHOW(fcntl(fd, F_GETFL));
        SHOW(tcgetpgrp(fd));
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t got = readlink(path, target, sizeof target);
        printf("%016lx %.*s\n", (unsigned long)hash_bytes(&term, sizeof term), (int)(got > 0 ? got : 0),
               target);
    }
    int terminal = open("/dev/tty", O_RDWR);
    printf("/dev/tty %s errno %d\n", terminal < 0 ? "no" : "yes", terminal < 0 ? errno : 0);
    char byte;
    SHOW(read(0, &byte, 0));
    return 0;
}

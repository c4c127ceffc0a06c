/* ioctls on a pty, a pipe, a socket and a file write the recorded answers into memory. */
/* expect: exit 0 */
#include "victim.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

int main(void) {
    int ends[2], pair[2], count = -1, on = 1;
    unsigned number = 99;
    struct winsize size = {0, 0, 0, 0};
    struct termios term;
    char name[64], bytes[64];
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0);
    SHOW(grantpt(master));
    SHOW(unlockpt(master));
    SHOW(ioctl(master, TIOCGPTN, &number));
    SHOW(ptsname_r(master, name, sizeof name));
    printf("pty %u %s\n", number, name);
    int slave = open(name, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    struct winsize set = {31, 117, 3, 4};
    SHOW(ioctl(master, TIOCSWINSZ, &set));
    SHOW(ioctl(slave, TIOCGWINSZ, &size));
    printf("%d %d %d %d\n", size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
    memset(&term, 0, sizeof term);
    SHOW(tcgetattr(slave, &term));
    printf("%x %x %x %x\n", term.c_iflag, term.c_oflag, term.c_cflag, term.c_lflag);
    cfmakeraw(&term);
    SHOW(tcsetattr(slave, TCSANOW, &term));
    SHOW(write(master, "typed", 5));
    SHOW(ioctl(slave, FIONREAD, &count));
    SHOW(read(slave, bytes, sizeof bytes));
    printf("count %d %.5s\n", count, bytes);
    SHOW(isatty(slave));
    printf("%s\n", ttyname(slave));
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(write(ends[1], "1234567", 7) == 7 && write(pair[0], "123", 3) == 3);
    SHOW(ioctl(ends[0], FIONREAD, &count));
    printf("pipe %d\n", count);
    SHOW(ioctl(pair[1], FIONREAD, &count));
    printf("socket %d\n", count);
    SHOW(ioctl(ends[1], FIONBIO, &on));
    SHOW(fcntl(ends[1], F_GETFL));
    SHOW(ioctl(ends[1], FIOCLEX));
    SHOW(ioctl(ends[1], TCGETS, &term));
    int fd = random_file("io_ioctl.dat", 100), flags = -1, version = -1;
    SHOW(ioctl(fd, FS_IOC_GETFLAGS, &flags));
    printf("flags %x\n", flags);
    SHOW(ioctl(fd, FS_IOC_GETVERSION, &version));
    printf("version %x\n", version);
    SHOW(ioctl(fd, FIONREAD, &count));
    printf("file %d\n", count);
    SHOW(ioctl(fd, FIGETBSZ, &count));
    printf("block %d\n", count);
    CHECK(unlink("io_ioctl.dat") == 0);
    return 0;
}

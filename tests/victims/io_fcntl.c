/* fcntl: duplicated descriptors, flags, owners, pipe sizes and file locks give the recorded answers. */
/* expect: exit 0 */
#include "victim.h"

int main(void) {
    int fd = random_file("io_fcntl.dat", 500);
    int ends[2];
    CHECK(pipe(ends) == 0);
    SHOW(fcntl(fd, F_GETFL));
    SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
    SHOW(fcntl(fd, F_GETFL));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(fd, F_SETFD, FD_CLOEXEC));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(fd, F_DUPFD, 100));
    SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 100));
    SHOW(dup(fd));
    SHOW(dup2(fd, 200));
    SHOW(dup3(fd, 201, O_CLOEXEC));
    SHOW(dup3(fd, fd, 0));
    SHOW(fcntl(ends[0], F_GETPIPE_SZ));
    SHOW(fcntl(ends[0], F_SETPIPE_SZ, 8192));
    SHOW(fcntl(ends[0], F_SETOWN, getpid()));
    SHOW(fcntl(ends[0], F_GETOWN));
    SHOW(fcntl(fd, F_SETSIG, 10));
    SHOW(fcntl(fd, F_GETSIG));
    struct f_owner_ex owner = {0, 0};
    SHOW(fcntl(ends[0], F_GETOWN_EX, &owner));
    printf("owner %d %d\n", owner.type, owner.pid);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 20};
    SHOW(fcntl(fd, F_SETLK, &lock));
    lock.l_type = F_RDLCK;
    SHOW(fcntl(fd, F_GETLK, &lock));
    printf("lock %d %ld %ld %d\n", lock.l_type, (long)lock.l_start, (long)lock.l_len, lock.l_pid);
    int other = open("io_fcntl.dat", O_RDWR);
    struct flock ofd = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    SHOW(fcntl(other, F_OFD_SETLK, &ofd));
    SHOW(fcntl(other, F_OFD_GETLK, &ofd));
    printf("ofd %d %ld %ld %d\n", ofd.l_type, (long)ofd.l_start, (long)ofd.l_len, ofd.l_pid);
    SHOW(lockf(fd, F_TEST, 5));
    SHOW(fcntl(fd, F_GETLEASE));
    SHOW(fcntl(fd, F_GET_SEALS));
    uint64_t hint = 0;
    SHOW(fcntl(fd, F_GET_RW_HINT, &hint));
    printf("hint %lu\n", (unsigned long)hint);
    SHOW(fcntl(fd, 999, 0));
    SHOW(close_range(100, 300, 0));
    CHECK(unlink("io_fcntl.dat") == 0);
    return 0;
}

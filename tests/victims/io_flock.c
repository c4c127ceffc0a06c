/* flock, getrlimit, readahead and posix_fadvise on an own file. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

int main(void) {
    int a = random_file("io_flock.dat", 300000), b = open("io_flock.dat", O_RDWR);
    struct stat s;
    CHECK(fstat(a, &s) == 0);
    printf("inode %lu at %ld.%09ld\n", (unsigned long)s.st_ino, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
    SHOW(flock(a, LOCK_EX));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(a, LOCK_SH));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(a, LOCK_UN));
    SHOW(flock(99, LOCK_UN));
    SHOW(readahead(a, 0, 200000));
    SHOW(posix_fadvise(a, 0, 0, POSIX_FADV_SEQUENTIAL));
    SHOW(posix_fadvise(a, 0, 0, POSIX_FADV_DONTNEED));
    SHOW(posix_fadvise(a, 0, 0, 999));
    SHOW(sync_file_range(a, 0, 4096, SYNC_FILE_RANGE_WRITE));
    struct rlimit limit, set = {50, 60};
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    printf("files %lu %lu\n", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
    SHOW(setrlimit(RLIMIT_NOFILE, &set));
    int last = -1, fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    printf("last %d errno %d\n", last, errno);
    CHECK(last == 49 && errno == EMFILE);
    set = (struct rlimit){100000, 200000};
    SHOW(setrlimit(RLIMIT_FSIZE, &set));
    unsigned char bytes[300];
    SHOW(pwrite(a, bytes, 300, 99900));
    CHECK(unlink("io_flock.dat") == 0);
    return 0;
}

/* The whole stat family fills its buffers with the recorded inode numbers, times and sizes. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

static void show_stat(const char *what, const struct stat *s) {
    printf(
        "%s dev %lx ino %lu mode %o links %lu uid %u size %ld blocks %ld mtime %ld.%09ld ctime %ld.%09ld\n",
        what, (unsigned long)s->st_dev, (unsigned long)s->st_ino, s->st_mode, (unsigned long)s->st_nlink,
        s->st_uid, (long)s->st_size, (long)s->st_blocks, (long)s->st_mtim.tv_sec, s->st_mtim.tv_nsec,
        (long)s->st_ctim.tv_sec, s->st_ctim.tv_nsec);
}

int main(void) {
    struct stat s;
    struct statx x;
    struct statfs f;
    struct statvfs v;
    char link[256];
    unlink("io_stat.link");
    int fd = random_file("io_stat.dat", 1234);
    CHECK(symlink("io_stat.dat", "io_stat.link") == 0);
    CHECK(stat("io_stat.link", &s) == 0);
    show_stat("stat", &s);
    CHECK(lstat("io_stat.link", &s) == 0);
    show_stat("lstat", &s);
    CHECK(fstat(fd, &s) == 0);
    show_stat("fstat", &s);
    CHECK(fstatat(AT_FDCWD, "io_stat.link", &s, AT_SYMLINK_NOFOLLOW) == 0);
    show_stat("fstatat", &s);
    CHECK(fstat(1, &s) == 0);
    show_stat("stdout", &s);
    CHECK(statx(AT_FDCWD, "io_stat.dat", 0, STATX_ALL, &x) == 0);
    printf("statx mask %x ino %llu btime %lld.%u mnt %llu\n", x.stx_mask, x.stx_ino, x.stx_btime.tv_sec,
           x.stx_btime.tv_nsec, (unsigned long long)x.stx_dev_minor);
    CHECK(statfs(".", &f) == 0);
    printf("statfs type %lx bfree %lu ffree %lu\n", (long)f.f_type, (long)f.f_bfree, (long)f.f_ffree);
    CHECK(fstatfs(fd, &f) == 0 && statvfs("/", &v) == 0);
    printf("fstatfs bavail %lu, statvfs bavail %lu\n", (long)f.f_bavail, (long)v.f_bavail);
    SHOW(access("io_stat.dat", R_OK));
    SHOW(access("io_stat.dat", X_OK));
    SHOW(faccessat(AT_FDCWD, "io_stat.none", F_OK, 0));
    SHOW(faccessat(AT_FDCWD, "io_stat.link", W_OK, AT_EACCESS));
    ssize_t got = readlink("io_stat.link", link, sizeof link);
    printf("readlink %zd %.*s\n", got, (int)got, link);
    got = readlinkat(AT_FDCWD, "/proc/self/exe", link, 5);
    printf("readlinkat %zd %.*s\n", got, (int)got, link);
    SHOW(stat("io_stat.none", &s));
    SHOW(stat((char *)1, &s));
    SHOW(readlink("io_stat.dat", link, sizeof link));
    struct timespec times[2] = {{1000000000, 5}, {0, UTIME_NOW}};
    SHOW(futimens(fd, times));
    SHOW(fchmod(fd, 0600));
    CHECK(fstat(fd, &s) == 0);
    show_stat("after", &s);
    CHECK(unlink("io_stat.link") == 0 && unlink("io_stat.dat") == 0);
    return 0;
}

/* Directory listing and every rename, link and unlink are answered from the recording, not the disk. */
/* expect: exit 0 */
#include "victim.h"
#include <dirent.h>
#include <sys/stat.h>

static void list(const char *path) {
    char raw[2048] __attribute__((aligned(8)));
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0);
    for (;;) {
        ssize_t got = getdents64(fd, raw, sizeof raw);
        printf("getdents64 %zd\n", got);
        if (got <= 0)
            break;
        for (ssize_t at = 0; at < got;) {
            struct dirent64 *entry = (struct dirent64 *)(raw + at);
            printf("  ino %lu off %ld type %d %s\n", (unsigned long)entry->d_ino, (long)entry->d_off,
                   entry->d_type, entry->d_name);
            at += entry->d_reclen;
        }
    }
    close(fd);
}

int main(void) {
    char name[64], cwd[4096];
    snprintf(name, sizeof name, "dirs.%d", (int)getpid());
    SHOW(mkdir(name, 0755));
    SHOW(mkdir(name, 0755));
    SHOW(chdir(name));
    for (int i = 0; i < 60; i++) {
        char file[64];
        snprintf(file, sizeof file, "file-with-a-long-name-%d", i);
        close(open(file, O_CREAT | O_WRONLY, 0644));
    }
    list(".");
    SHOW(rename("file-with-a-long-name-0", "zero"));
    SHOW(renameat2(AT_FDCWD, "zero", AT_FDCWD, "file-with-a-long-name-1", RENAME_NOREPLACE));
    SHOW(link("zero", "hard"));
    SHOW(symlink("nowhere", "soft"));
    SHOW(open("soft", O_RDONLY));
    SHOW(unlink("missing"));
    SHOW(rmdir("../missing"));
    SHOW(mkdirat(AT_FDCWD, "sub", 0700));
    SHOW(mknod("fifo", S_IFIFO | 0600, 0));
    SHOW(unlinkat(AT_FDCWD, "sub", AT_REMOVEDIR));
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    printf("cwd %s\n", cwd);
    DIR *dir = opendir(".");
    CHECK(dir != NULL);
    struct dirent *entry;
    int count = 0;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            CHECK(unlink(entry->d_name) == 0);
        count++;
    }
    printf("%d entries\n", count);
    closedir(dir);
    int up = open("..", O_RDONLY | O_DIRECTORY);
    SHOW(fchdir(up));
    SHOW(rmdir(name));
    return 0;
}

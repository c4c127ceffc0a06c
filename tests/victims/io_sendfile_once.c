/* sendfile to the output from sources that give something else when they are read again. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/sendfile.h>

static void copy(const char *path, size_t most) {
    int fd = open(path, O_RDONLY);
    char bytes[4096];
    CHECK(fd >= 0);
    fflush(stdout);
    if (sendfile(1, fd, NULL, most) < 0) {
        ssize_t got = read(fd, bytes, most);
        CHECK(got > 0 && write(1, bytes, (size_t)got) == got);
    }
    close(fd);
}

int main(void) {
    copy("/dev/urandom", 64);
    copy("/proc/self/stat", 4096);
    copy("/proc/uptime", 4096);
    copy("/proc/self/io", 4096);
    printf("\n");
    return 0;
}

/* The output opened anew by name, as scripts do with /dev/stdout and /dev/stderr. */
/* expect: exit 0 */
#include "victim.h"

static void say(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_APPEND);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

int main(void) {
    printf("first\n");
    fflush(stdout);
    say("/dev/stdout", "second\n");
    say("/dev/stderr", "to stderr\n");
    say("/proc/self/fd/1", "third\n");
    lseek(1, 0, SEEK_END);
    printf("last, pid %d\n", (int)getpid());
    return 0;
}

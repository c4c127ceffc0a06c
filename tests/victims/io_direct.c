/* At the end of a file direct I/O fills more of the buffer than its result says. */
/* expect: exit 0 */
#include "victim.h"

#include <sys/uio.h>

#define BLOCK  4096
#define LENGTH (8 * BLOCK)

static void try_end(const char *path, size_t size) {
    close(random_file(path, size));
    int fd = open(path, O_RDONLY | O_DIRECT);
    if (fd < 0) { /* not on every file system */
        printf("errno %d\n", errno);
        return;
    }
    char *buffer = aligned_alloc(BLOCK, LENGTH);
    CHECK(buffer);
    memset(buffer, 1, LENGTH);
    SHOW(read(fd, buffer, 4 * BLOCK));
    printf("%lx\n", hash_bytes(buffer, LENGTH));
    memset(buffer, 2, LENGTH);
    struct iovec parts[] = {{buffer, BLOCK}, {buffer + 2 * BLOCK, BLOCK}, {buffer + 4 * BLOCK, 2 * BLOCK}};
    SHOW(preadv(fd, parts, 3, 0));
    printf("%lx\n", hash_bytes(buffer, LENGTH));
    free(buffer);
    close(fd);
}

int main(void) {
    try_end("odd", 10000);
    try_end("sectors", 10240);
    try_end("block", BLOCK);
    try_end("small", 1);
    int fds[2]; /* a pipe of packets is no direct I/O, but harmless */
    char buffer[1024] = "";
    CHECK(pipe2(fds, O_DIRECT) == 0 && write(fds[1], "abc", 3) == 3 && read(fds[0], buffer, 1024) == 3);
    puts(buffer);
    return 0;
}

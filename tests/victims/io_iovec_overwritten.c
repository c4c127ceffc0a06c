/* Buffers that overwrite the iovecs and the msghdr that name them: the kernel goes on with what it read
 * first. */
/* expect: exit 0 */
#include "victim.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

static struct area {
    struct iovec v[3];
    struct msghdr message;
    char rest[200];
} a;

static int open_random(void) {
    unsigned char bytes[512];
    FILE *file = tmpfile();
    CHECK(file);
    fill_random(bytes, sizeof bytes);
    CHECK(write(fileno(file), bytes, sizeof bytes) == sizeof bytes);
    CHECK(lseek(fileno(file), 0, SEEK_SET) == 0);
    return fileno(file);
}

static void set_up(void) {
    memset(&a, 0, sizeof a);
    a.v[0] = (struct iovec){&a, 48};
    a.v[1] = (struct iovec){a.rest, 20};
    a.v[2] = (struct iovec){a.rest + 50, 150};
}

static void show(const char *what) {
    printf("%s %016lx\n", what, (unsigned long)hash_bytes(&a, sizeof a));
}

int main(void) {
    int fd = open_random(), pair[2];
    unsigned char bytes[200];
    set_up();
    SHOW(readv(fd, a.v, 3));
    show("readv");
    set_up();
    SHOW(preadv(fd, a.v, 3, 100));
    show("preadv");
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    fill_random(bytes, sizeof bytes);
    CHECK(send(pair[0], bytes, sizeof bytes, 0) == sizeof bytes);
    set_up();
    a.v[0] = (struct iovec){&a, offsetof(struct area, rest)}; /* the msghdr, too */
    a.message = (struct msghdr){.msg_iov = a.v, .msg_iovlen = 3};
    SHOW(recvmsg(pair[1], &a.message, 0));
    show("recvmsg");
    return 0;
}

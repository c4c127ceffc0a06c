/* Reads whose buffers lie over the very arrays that name the buffers. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/socket.h>
#include <sys/uio.h>

struct area {
    struct iovec vectors[3];
    char rest[200];
};

static void show(const char *name, const struct area *area) {
    printf("%s: %lx\n", name, hash_bytes(area, sizeof *area));
}

static void use_readv(int fd) {
    struct area area = {.vectors = {{&area, 48}, {area.rest, 50}, {area.rest + 60, 70}}};
    CHECK(readv(fd, area.vectors, 3) == 168);
    show("readv", &area);
}

static void use_recvmsg(void) {
    struct area area = {.vectors = {{&area, 48}, {area.rest, 50}}};
    struct msghdr message = {.msg_iov = area.vectors, .msg_iovlen = 2};
    char bytes[98];
    int ends[2];
    fill_random(bytes, sizeof bytes);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(send(ends[0], bytes, sizeof bytes, 0) == sizeof bytes);
    CHECK(recvmsg(ends[1], &message, 0) == sizeof bytes);
    show("recvmsg", &area);
}

static void use_own_header(void) {
    struct {
        struct msghdr header;
        char rest[100];
    } both = {.header = {0}};
    struct iovec vector = {&both, 130};
    char bytes[130];
    int ends[2];
    both.header = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1};
    fill_random(bytes, sizeof bytes);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(send(ends[0], bytes, sizeof bytes, 0) == sizeof bytes);
    CHECK(recvmsg(ends[1], &both.header, 0) == sizeof bytes);
    printf("header: %lx\n", hash_bytes(&both, sizeof both));
}

int main(void) {
    int fd = random_file("file", 4096);
    use_readv(fd);
    use_recvmsg();
    use_own_header();
    return 0;
}

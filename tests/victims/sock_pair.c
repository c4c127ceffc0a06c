/* socketpair and its messages: peeking, truncation, shutdown and end of file. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/socket.h>

int main(void) {
    int s[2], d[2], q[2];
    unsigned char bytes[300], back[400];
    fill_random(bytes, sizeof bytes);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, d) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, q) == 0);
    printf("%d %d %d %d %d %d\n", s[0], s[1], d[0], d[1], q[0], q[1]);
    memset(back, 0, sizeof back);
    SHOW(send(s[0], bytes, 200, MSG_NOSIGNAL));
    SHOW(recv(s[1], back, 50, MSG_PEEK));
    SHOW(recv(s[1], back, sizeof back, MSG_DONTWAIT));
    printf("%016lx\n", (unsigned long)hash_bytes(back, sizeof back));
    SHOW(recv(s[1], back, sizeof back, MSG_DONTWAIT));
    SHOW(send(d[0], bytes, 300, 0));
    SHOW(send(d[0], bytes + 5, 100, 0));
    SHOW(recv(d[1], back, 20, MSG_PEEK | MSG_TRUNC));
    SHOW(recv(d[1], back, 30, MSG_TRUNC));
    SHOW(recv(d[1], back, 400, 0));
    printf("%016lx\n", (unsigned long)hash_bytes(back, sizeof back));
    SHOW(recv(d[1], back, 400, 0));
    SHOW(sendto(q[1], bytes, 111, MSG_EOR, NULL, 0));
    struct iovec parts[2] = {{back, 50}, {back + 200, 20}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    SHOW(recvmsg(q[0], &message, 0));
    printf("flags %x %016lx\n", message.msg_flags, (unsigned long)hash_bytes(back, sizeof back));
    SHOW(shutdown(s[0], SHUT_WR));
    SHOW(recv(s[1], back, sizeof back, 0));
    SHOW(write(s[1], "still", 5));
    SHOW(read(s[0], back, sizeof back));
    SHOW(close(s[0]));
    SHOW(send(s[1], "gone", 4, MSG_NOSIGNAL));
    SHOW(shutdown(99, SHUT_RD));
    return 0;
}

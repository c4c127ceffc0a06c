/* sendmmsg and recvmmsg fill every header, address and buffer of the batch. */
/* expect: exit 0 */
#include "victim.h"
#include <arpa/inet.h>
#include <sys/socket.h>

int main(void) {
    enum { COUNT = 6 };
    struct sockaddr_in name = {.sin_family = AF_INET}, from[COUNT];
    socklen_t length = sizeof name;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int to = socket(AF_INET, SOCK_DGRAM, 0), out = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(to, (struct sockaddr *)&name, sizeof name) == 0);
    CHECK(getsockname(to, (struct sockaddr *)&name, &length) == 0);
    unsigned char bytes[COUNT][100], back[COUNT][64];
    struct iovec parts[COUNT], slots[COUNT];
    struct mmsghdr send[COUNT], receive[COUNT];
    memset(send, 0, sizeof send);
    memset(receive, 0, sizeof receive);
    memset(back, 0, sizeof back);
    fill_random(bytes, sizeof bytes);
    for (size_t i = 0; i < COUNT; i++) {
        parts[i] = (struct iovec){bytes[i], 10 + i * 18};
        slots[i] = (struct iovec){back[i], sizeof back[i]};
        send[i].msg_hdr = (struct msghdr){
            .msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &parts[i], .msg_iovlen = 1};
        receive[i].msg_hdr = (struct msghdr){
            .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &slots[i], .msg_iovlen = 1};
    }
    SHOW(sendmmsg(out, send, COUNT, 0));
    for (int i = 0; i < COUNT; i++)
        printf("sent %u\n", send[i].msg_len);
    struct timespec limit = {5, 0};
    SHOW(recvmmsg(to, receive, 4, MSG_WAITFORONE, NULL));
    SHOW(recvmmsg(to, receive + 4, 2, MSG_DONTWAIT, &limit));
    for (int i = 0; i < COUNT; i++)
        printf("got %u flags %x from port %d %016lx\n", receive[i].msg_len, receive[i].msg_hdr.msg_flags,
               ntohs(from[i].sin_port), (unsigned long)hash_bytes(back[i], sizeof back[i]));
    printf("left %ld.%09ld\n", (long)limit.tv_sec, limit.tv_nsec);
    SHOW(recvmmsg(to, receive, COUNT, MSG_DONTWAIT, NULL));
    return 0;
}

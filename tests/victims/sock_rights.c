/* A descriptor and credentials passed in control messages arrive as recorded. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/socket.h>

int main(void) {
    int pair[2], on = 1;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    int sent[2] = {random_file("sock_rights.dat", 500), 1};
    union {
        struct cmsghdr align;
        unsigned char bytes[512];
    } control;
    unsigned char data[64];
    fill_random(data, sizeof data);
    struct iovec part = {data, 33};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes};
    message.msg_controllen = CMSG_SPACE(sizeof sent);
    memset(&control, 0, sizeof control);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof sent);
    memcpy(CMSG_DATA(head), sent, sizeof sent);
    SHOW(sendmsg(pair[0], &message, 0));
    memset(&control, 0xee, sizeof control);
    memset(data, 0, sizeof data);
    message.msg_controllen = sizeof control;
    SHOW(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC));
    printf("%zu control bytes, flags %x, data %016lx\n", message.msg_controllen, message.msg_flags,
           (unsigned long)hash_bytes(data, sizeof data));
    for (head = CMSG_FIRSTHDR(&message); head != NULL; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(head), sizeof who);
            printf("credentials %d %d %d\n", who.pid, who.uid, who.gid);
        } else if (head->cmsg_type == SCM_RIGHTS) {
            int got[2];
            memcpy(got, CMSG_DATA(head), sizeof got);
            unsigned char bytes[500];
            printf("rights %d %d\n", got[0], got[1]);
            SHOW(read(got[0], bytes, sizeof bytes));
            printf("%016lx\n", (unsigned long)hash_bytes(bytes, sizeof bytes));
            fflush(stdout);
            dprintf(got[1], "through the second one, pid %d\n", (int)getpid());
        }
    }
    printf("control %016lx\n", (unsigned long)hash_bytes(control.bytes, sizeof control));
    CHECK(unlink("sock_rights.dat") == 0);
    return 0;
}

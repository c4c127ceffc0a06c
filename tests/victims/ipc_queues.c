/* POSIX message queues and System V messages and semaphores, with their contents and states. */
/* expect: exit 0 */
#include "victim.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <time.h>

int main(void) {
    char name[40];
    unsigned char bytes[128], back[256] = {0};
    fill_random(bytes, sizeof bytes);
    snprintf(name, sizeof name, "/victim.%d", (int)getpid());
    struct mq_attr shape = {.mq_maxmsg = 4, .mq_msgsize = 128};
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &shape);
    printf("mq_open %d errno %d\n", (int)queue, queue == (mqd_t)-1 ? errno : 0);
    if (queue != (mqd_t)-1) {
        unsigned priority = 99;
        SHOW(mq_send(queue, (char *)bytes, 100, 3));
        SHOW(mq_send(queue, (char *)bytes + 5, 50, 9));
        SHOW(mq_getattr(queue, &shape));
        printf("%ld waiting\n", shape.mq_curmsgs);
        SHOW(mq_receive(queue, (char *)back, sizeof back, &priority));
        printf("priority %u %016lx\n", priority, (unsigned long)hash_bytes(back, sizeof back));
        struct timespec past = {1, 0};
        SHOW(mq_timedreceive(queue, (char *)back, sizeof back, &priority, &past));
        SHOW(mq_receive(queue, (char *)back, sizeof back, NULL));
        SHOW(mq_unlink(name));
    }
    struct {
        long type;
        unsigned char text[128];
    } message = {7, {0}}, got = {0, {0}};
    memcpy(message.text, bytes, sizeof bytes);
    int messages = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    printf("messages %d\n", messages);
    SHOW(msgsnd(messages, &message, 60, IPC_NOWAIT));
    message.type = 8;
    SHOW(msgsnd(messages, &message, 128, IPC_NOWAIT));
    SHOW(msgrcv(messages, &got, 100, 8, IPC_NOWAIT | MSG_NOERROR));
    printf("type %ld %016lx\n", got.type, (unsigned long)hash_bytes(got.text, sizeof got.text));
    struct msqid_ds state;
    SHOW(msgctl(messages, IPC_STAT, &state));
    printf("%lu left, last sender %d at %ld\n", (long)state.msg_qnum, state.msg_lspid, (long)state.msg_stime);
    SHOW(msgctl(messages, IPC_RMID, NULL));
    int semaphores = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
    unsigned short values[3] = {1, 2, 3};
    printf("semaphores %d\n", semaphores);
    SHOW(semctl(semaphores, 0, SETALL, values));
    struct sembuf operations[2] = {{1, -2, 0}, {2, 5, SEM_UNDO}}, blocked = {1, -1, 0};
    SHOW(semop(semaphores, operations, 2));
    struct timespec nap = {0, 20000000};
    SHOW(semtimedop(semaphores, &blocked, 1, &nap));
    SHOW(semctl(semaphores, 0, GETALL, values));
    printf("%u %u %u\n", values[0], values[1], values[2]);
    SHOW(semctl(semaphores, 2, GETPID) == getpid());
    SHOW(semctl(semaphores, 0, IPC_RMID));
    return 0;
}

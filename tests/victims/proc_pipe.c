/* What a child writes to a pipe or a socketpair reaches the parent again in a replay, without the child. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

int main(void) {
    int ends[2], pair[2], status;
    unsigned char bytes[70000];
    char text[200] = "";
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct timespec now;
        char question[20] = "";
        close(ends[0]);
        close(pair[0]);
        fill_random(bytes, sizeof bytes);
        for (size_t at = 0; at < sizeof bytes;)
            at += (size_t)write(ends[1], bytes + at, sizeof bytes - at);
        CHECK(read(pair[1], question, sizeof question) > 0);
        clock_gettime(CLOCK_REALTIME, &now);
        dprintf(pair[1], "%s: pid %d of parent %d, %ld.%09ld", question, (int)getpid(), (int)getppid(),
                (long)now.tv_sec, now.tv_nsec);
        _exit(17);
    }
    close(ends[1]);
    close(pair[1]);
    size_t total = 0;
    for (;;) {
        ssize_t got = read(ends[0], bytes + total, sizeof bytes - total);
        CHECK(got >= 0);
        total += (size_t)got;
        if (total == sizeof bytes || got == 0)
            break;
    }
    printf("%zu bytes %016lx\n", total, (unsigned long)hash_bytes(bytes, total));
    CHECK(send(pair[0], "question", 8, 0) == 8);
    SHOW(recv(pair[0], text, sizeof text - 1, 0) > 0);
    printf("%s\n", text);
    SHOW(recv(pair[0], text, sizeof text, 0) <= 0);
    SHOW(waitpid(child, &status, 0) == child);
    printf("status %x\n", status);
    CHECK(status == 17 << 8);
    return 0;
}

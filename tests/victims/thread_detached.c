/* Detached threads end when they like; the last ones while the process does. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>

static int pipefd[2];

static void *report(void *argument) {
    char text[32];
    int size = snprintf(text, sizeof text, "thread %d\n", (int)(intptr_t)argument);
    if ((intptr_t)argument < 10)
        CHECK(write(pipefd[1], text, (size_t)size) == size);
    usleep((useconds_t)(intptr_t)argument * 100);
    return NULL;
}

int main(void) {
    char text[4096];
    size_t got = 0, lines = 0;
    pthread_attr_t detached;
    pthread_t thread;
    CHECK(pipe(pipefd) == 0);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 20; i++)
        CHECK(pthread_create(&thread, &detached, report, (void *)(intptr_t)i) == 0);
    while (lines < 10) {
        ssize_t part = read(pipefd[0], text + got, sizeof text - got);
        CHECK(part > 0);
        for (ssize_t i = 0; i < part; i++)
            lines += text[got + (size_t)i] == '\n';
        got += (size_t)part;
    }
    fwrite(text, 1, got, stdout);
    usleep(1000);
    return 0;
}

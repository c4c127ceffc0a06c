/* A forked process whose first thread ends before the others: the kernel clears the word that fork gave it.
 */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sys/wait.h>

static void *go_on(void *argument) {
    usleep(2000);
    printf("pid %d\n", getpid());
    return argument;
}

int main(void) {
    int status, pid = fork();
    if (pid == 0) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, go_on, NULL) == 0);
        pthread_exit(NULL);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

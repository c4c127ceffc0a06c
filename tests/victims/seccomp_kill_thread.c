/* A filter kills threads, who hold a robust mutex, and are waited for; and the first thread of a process. */
/* expect: exit 0 */
#include "seccomp.h"
#include <pthread.h>
#include <sys/wait.h>

static pthread_mutex_t mutex;

static void *die(void *argument) {
    CHECK(pthread_mutex_lock(&mutex) == 0);
    if (argument)
        INSTALL({SYS_getppid, SECCOMP_RET_KILL_THREAD});
    printf("never %ld\n", PARENT());
    exit(98);
}

static void in_turn(void) {
    pthread_t thread;
    for (int i = 0; i < 5; i++) {
        void *result = &thread;
        CHECK(pthread_create(&thread, NULL, die, &mutex) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(pthread_mutex_lock(&mutex) == EOWNERDEAD && pthread_mutex_consistent(&mutex) == 0);
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
}

static void *outlive(void *argument) {
    int result;
    while ((result = pthread_mutex_trylock(&mutex)) == 0) { /* until the first thread has it */
        pthread_mutex_unlock(&mutex);
        usleep(100);
    }
    if (result == EBUSY)
        result = pthread_mutex_lock(&mutex);
    printf("its mutex: %d\n", result);
    fflush(stdout);
    _exit(result == EOWNERDEAD ? 33 : 99);
    return argument;
}

int main(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_PRIVATE);
    pthread_mutex_init(&mutex, &attributes);
    in_turn();
    fflush(stdout);
    int status, pid = fork();
    if (pid == 0) {
        pthread_t thread;
        INSTALL({SYS_getppid, SECCOMP_RET_KILL_THREAD});
        CHECK(pthread_create(&thread, NULL, outlive, NULL) == 0);
        die(NULL);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("status 0x%x\n", status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 33);
    return 0;
}

/* A thread is interrupted in a loop whose registers, stack and reachable memory are the same again and again;
 * only a counter far away tells when: the replay must find out, and go back with all its threads. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

#define FAR_SIZE (256ul << 20)

static unsigned long ***volatile root;
static volatile int came;

static sem_t never, started;

static void *come(void *argument) {
    double x = 1.0 / 3;
    __asm__ volatile("" : "+x"(x)); /* something of its own in a vector register */
    sem_post(&started);
    usleep(150000);
    came = 1;
    printf("%.17g\n", x);
    return argument;
}

static void *wait_for_ever(void *argument) {
    sem_post(&started);
    sem_wait(&never);
    return argument;
}

/* Where most of the time goes: it ends with all registers as they were. */
static void __attribute__((noinline)) wait_a_little(void) {
    __asm__ volatile("mov $20000000, %%ecx\n"
                     "1: dec %%rcx\n"
                     "   nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop\n"
                     "   nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop\n"
                     "   jnz 1b\n" ::
                         : "rcx", "cc");
}

static void __attribute__((noinline)) count(void) {
    ++***root;
}

int main(void) {
    pthread_t threads[2];
    char *far =
        mmap(NULL, FAR_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(far != MAP_FAILED);
    unsigned long *counter = (unsigned long *)(far + (77ul << 20)),
                  **second = (unsigned long **)(far + (99ul << 20));
    *second = counter;
    root = (unsigned long ***)(far + (50ul << 20));
    *root = second;
    for (int i = 0; i < 20; i++) /* the replay then takes a checkpoint in front of the signal */
        wait_a_little();
    CHECK(sem_init(&never, 0, 0) == 0 && sem_init(&started, 0, 0) == 0);
    CHECK(pthread_create(&threads[0], NULL, wait_for_ever, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, come, NULL) == 0);
    CHECK(sem_wait(&started) == 0 && sem_wait(&started) == 0);
    while (!came) {
        wait_a_little();
        count();
    }
    CHECK(pthread_join(threads[1], NULL) == 0);
    printf("%lu rounds\n", *counter);
    return 0;
}

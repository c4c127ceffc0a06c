/* A child goes on with what its parent had: heap, stack, mapped files, code with traps, handlers, blocked
 * signals; and parent and child go different ways from there. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <x86intrin.h>

static char *heap[100];
static volatile sig_atomic_t handled;

static void handler(int signo) {
    handled += signo;
}

static void go_on(const char *who, int fd, unsigned char *mapped) {
    sigset_t pending, none;
    for (int i = 0; i < 100; i += 2) {
        free(heap[i]);
        heap[i] = malloc((size_t)(5000 + i * 100));
        fill_random(heap[i], 5000);
    }
    unsigned char *more = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
    CHECK(more != MAP_FAILED);
    more[10] ^= mapped[4096 + 10];
    raise(SIGUSR1);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGUSR1) && handled == 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    CHECK(handled == SIGUSR1);
    CHECK(mprotect(mapped, 4096, PROT_READ | PROT_WRITE) == 0);
    mapped[5] = (unsigned char)__rdtsc();
    CHECK(sbrk(100000) != (void *)-1);
    printf("%s %d: %016lx %016lx %p\n", who, (int)getpid(), (unsigned long)hash_bytes(heap[98], 5000),
           (unsigned long)hash_bytes(mapped, 20000), sbrk(0));
    fflush(stdout);
}

int main(void) {
    int status;
    sigset_t mask;
    struct sigaction action = {.sa_handler = handler};
    for (int i = 0; i < 100; i++)
        heap[i] = malloc((size_t)(1000 + i * 200));
    int fd = random_file("proc_copies.in", 20000);
    unsigned char *mapped = mmap(NULL, 20000, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(mapped != MAP_FAILED);
    CHECK(pwrite(fd, "changed after it was mapped", 27, 8000) == 27);
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGILL);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        go_on("child", fd, mapped);
        exit(9);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
    go_on("parent", fd, mapped);
    return 0;
}

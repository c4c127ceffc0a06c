/* SA_ONSTACK, SA_NODEFER, SA_RESETHAND, sa_mask and handlers that raise other signals. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>

static int depth;
static unsigned char *alternate;

static void show_state(const char *what, int signal) {
    sigset_t mask;
    stack_t stack;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigaltstack(NULL, &stack) == 0);
    printf("%*s%s %d local %p mask %lx altstack %p flags %d\n", depth * 2, "", what, signal, (void *)&mask,
           mask.__val[0], stack.ss_sp, stack.ss_flags);
}

static void nested(int signal) {
    depth++;
    show_state("enter", signal);
    if (signal == SIGUSR1)
        raise(SIGUSR2);
    else if (signal == SIGUSR2 && depth < 5)
        raise(SIGUSR2);
    else if (signal == SIGHUP)
        raise(SIGUSR1);
    show_state("leave", signal);
    depth--;
}

int main(void) {
    struct sigaction action = {.sa_handler = nested, .sa_flags = SA_NODEFER}, old;
    alternate = malloc(65536);
    stack_t stack = {.ss_sp = alternate, .ss_size = 65536}, before;
    SHOW(sigaltstack(&stack, &before));
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    raise(SIGUSR2);
    action.sa_flags = SA_ONSTACK;
    sigaddset(&action.sa_mask, SIGTERM);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
    action.sa_flags = SA_RESETHAND | SA_ONSTACK;
    CHECK(sigaction(SIGHUP, &action, NULL) == 0);
    raise(SIGHUP);
    CHECK(sigaction(SIGHUP, NULL, &old) == 0);
    printf("reset %d flags %x\n", old.sa_handler == SIG_DFL, (unsigned)old.sa_flags);
    stack.ss_flags = SS_DISABLE;
    SHOW(sigaltstack(&stack, &before));
    printf("was %p %zu\n", before.ss_sp, before.ss_size);
    raise(SIGUSR1);
    stack.ss_flags = 0;
    stack.ss_size = 100;
    SHOW(sigaltstack(&stack, NULL));
    printf("alternate %016lx\n", (unsigned long)hash_bytes(alternate + 32768, 16384));
    return 0;
}

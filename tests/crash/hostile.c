/* Programs that have destroyed what describes them: hostile KIND. */
#include "fact.h"

#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

extern char **environ;
static volatile int sink;
static __thread int local_to_thread = 5;

static void crash_now(void) {
    sink = *(volatile int *)56 + local_to_thread;
}

static void fill(void *at, size_t size, unsigned seed) {
    unsigned char *bytes = at;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
}

/* Everything above the frame, and what describes the program on top of it. */
static void stack_random(void) {
    unsigned char *at = (unsigned char *)&at + 64, *end = (unsigned char *)environ;
    fill(at, (size_t)(end - at), 1);
    crash_now();
}
static void stack_zero(void) {
    unsigned char *at = (unsigned char *)&at + 64, *end = (unsigned char *)environ;
    memset(at, 0, (size_t)(end - at));
    crash_now();
}
/* Return addresses that lead in circles: each frame is its own caller. */
static void stack_circle(void) {
    unsigned long *frame = __builtin_frame_address(0);
    frame[0] = (unsigned long)frame;
    crash_now();
}
/* The stack pointer leads nowhere. */
static void stack_nowhere(void) {
    __asm__ volatile("mov $0x1234, %rsp; mov $0x10, %rbp; push %rax");
}
static void stack_in_code(void) {
    __asm__ volatile("lea 0(%rip), %rsp; mov %rsp, %rbp; mov 0x38, %eax");
}
static void loader_lists(void) {
    for (struct link_map *map = _r_debug.r_map; map;) {
        struct link_map *next = map->l_next;
        map->l_addr = 0xdeadbeef000ull;
        map->l_name = (char *)0x10;
        map->l_ld = (void *)map;
        map->l_next = map; /* round and round */
        map = next;
    }
    _r_debug.r_map = (struct link_map *)&_r_debug;
    crash_now();
}
static void thread_pointer(void) {
    unsigned long *self;
    __asm__("mov %%fs:0, %0" : "=r"(self));
    self[1] = 0x4141414141414141ul; /* dtv */
    __asm__ volatile("mov 56, %eax");
}
static void names(void) {
    prctl(PR_SET_NAME, "\x1b[31m/../x");
    for (char **at = environ; *at; at++)
        memset(*at, 0xff, strlen(*at));
    crash_now();
}
static void no_text(void) { /* its own code is gone, all but this page */
    extern char __executable_start, etext;
    unsigned long here = (unsigned long)__builtin_return_address(0) & ~4095ul;
    for (unsigned long page = (unsigned long)&__executable_start & ~4095ul; page < (unsigned long)&etext;
         page += 4096)
        if (page != here && page != (here ^ 0))
            munmap((void *)page, 4096);
    crash_now();
}

static const struct {
    const char *name;
    void (*crash)(void);
} kinds[] = {
    {"stack_random", stack_random},
    {"stack_zero", stack_zero},
    {"stack_circle", stack_circle},
    {"stack_nowhere", stack_nowhere},
    {"stack_in_code", stack_in_code},
    {"loader_lists", loader_lists},
    {"thread_pointer", thread_pointer},
    {"names", names},
    {"no_text", no_text},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (argc == 2 && !strcmp(argv[1], kinds[i].name))
            kinds[i].crash();
    for (size_t i = 0; argc == 1 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        puts(kinds[i].name);
    return argc != 1;
}

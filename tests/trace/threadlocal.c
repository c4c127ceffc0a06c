/* Thread-local variables of the program and of a library that is loaded later, in two threads. */
/* library: threadlocal_part.c */
/* options: --module * --exclude-module *libc.so* --exclude-module ld-* --file *threadlocal*.c */
/* recording: no */
#include "say.h"

#include <dlfcn.h>
#include <pthread.h>

static int (*exported)(int);
static __thread char text[64] __attribute__((aligned(64))); /* the block is as large as its alignment wants it */

CALLED int own(int x) {
    static __thread int calls = 40;
    static __thread long sum;
    EXPECT("call own x=%d", x);
    calls++;
    EXPECT("assign own.calls %d", calls);
    sum += x;
    EXPECT("assign own.sum %ld", sum);
    text[0] = (char)('a' + calls % 26);
    EXPECT("return own %d", calls + (int)sum);
    return calls + (int)sum;
}
static void *worker(void *argument) {
    int from = *(int *)argument;
    for (int i = 0; i < 3; i++) {
        own(from + i);
        exported(from * 10 + i);
    }
    return NULL;
}
int main(void) {
    pthread_t thread;
    int first = 1, second = 7;
    own(100);
    void *library = dlopen("./threadlocal_part.so", RTLD_NOW);
    if (!library) {
        puts(dlerror());
        return 1;
    }
    exported = (int (*)(int))dlsym(library, "exported");
    pthread_create(&thread, NULL, worker, &first);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, worker, &second);
    worker(&first);
    pthread_join(thread, NULL);
    return text[0] == 0;
}

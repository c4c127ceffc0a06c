/* Four threads, each in frames of its own. */
/* recording: apart */
#include "say.h"

#include <pthread.h>

CALLED int recurse(int id, int depth) {
    EXPECT("call recurse id=%d depth=%d", id, depth);
    int result = id * 100 + depth;
    if (depth)
        result += recurse(id, depth - 1);
    EXPECT("return recurse %d", result);
    return result;
}
static void *worker(void *argument) {
    EXPECT("call worker argument=\"%p\"", argument);
    int id = *(int *)argument;
    EXPECT("assign worker.id %d", id);
    for (int i = 0; i < 5; i++)
        recurse(id, i);
    EXPECT("return worker null");
    return NULL;
}
int main(void) {
    pthread_t threads[4];
    int ids[4];
    EXPECT("call main");
    for (int i = 0; i < 4; i++) {
        ids[i] = i + 1;
        pthread_create(&threads[i], NULL, worker, &ids[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    EXPECT("return main 0");
    return 0;
}

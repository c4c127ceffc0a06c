/* Two threads take two locks in opposite order, once. */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
static int moved;

static void *there(void *unused) {
    pthread_mutex_lock(&one);
    pthread_mutex_lock(&two);
    moved++;
    pthread_mutex_unlock(&two);
    pthread_mutex_unlock(&one);
    return unused;
}

static void *back(void *unused) {
    pthread_mutex_lock(&two);
    pthread_mutex_lock(&one);
    moved--;
    pthread_mutex_unlock(&one);
    pthread_mutex_unlock(&two);
    return unused;
}

int main(void) {
    pthread_t threads[2];
    if (pthread_create(&threads[0], NULL, there, NULL) != 0 || pthread_create(&threads[1], NULL, back, NULL) != 0)
        return 2;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", moved);
    return 0;
}

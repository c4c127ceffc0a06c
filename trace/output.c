#include "trace/output.h"

#include "base/thread.h"
#include "trace/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS = 4 };

struct trace_output {
    char *path;
    int fd;
    bool rewritable;    /* a regular file: the tail is written with each block, and over it the next */
    uint64_t body;      /* bytes of the body that are in the file */
    struct buffer tail; /* as it stands behind it */
    uint64_t file_size; /* not less than the size of the file */
    struct trace_totals totals; /* of the body */
    struct guard *guard;        /* or NULL */

    /* A block is free, being filled by the caller, or in the queue: the `queued` ones from `first` on, in a
     * circle. With async everything below is guarded by the mutex, and blocks in the queue belong to the
     * thread. */
    struct trace_block blocks[BLOCKS];
    unsigned first, queued;
    bool failed;
    struct error *error; /* not told yet */

    bool async, ending;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

/* ---- writing ---- */

/* Bytes written until something failed; then errno says what. offset < 0: at the file's position. */
static size_t write_whole(int fd, const uint8_t *bytes, size_t size, int64_t offset) {
    size_t done = 0;
    while (done < size) {
        ssize_t count = offset < 0 ? write(fd, bytes + done, size - done)
                                   : pwrite(fd, bytes + done, size - done, offset + (int64_t)done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = ENOSPC;
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    return done;
}

/* The signals of a write that fails are for programs that do not look at its result. They are directed at the
 * thread that writes, so they can be blocked and taken back there. */
static size_t write_quietly(int fd, const uint8_t *bytes, size_t size, int64_t offset) {
    const struct timespec now = {0};
    sigset_t quiet, before, pending;
    sigemptyset(&quiet);
    sigaddset(&quiet, SIGXFSZ);
    sigaddset(&quiet, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &quiet, &before);
    size_t done = write_whole(fd, bytes, size, offset);
    int errnum = errno;
    if (done < size && (errnum == EFBIG || errnum == EPIPE)) {
        sigemptyset(&quiet);
        sigaddset(&quiet, errnum == EPIPE ? SIGPIPE : SIGXFSZ);
        if (!sigismember(&pending, errnum == EPIPE ? SIGPIPE : SIGXFSZ))
            sigtimedwait(&quiet, NULL, &now);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = errnum;
    return done;
}

/* Without memory the file is right all the same: it only cannot be repaired after a failure. */
static void keep_tail(struct trace_output *output, const uint8_t *tail, size_t size) {
    buffer_clear(&output->tail);
    buffer_put(&output->tail, tail, size);
    if (output->guard)
        guard_tell(output->guard, output->body, tail, size);
}

/* Put the old tail back over what a failed write has left. Its room was the file's before. */
static void restore_tail(struct trace_output *output) {
    const struct buffer *tail = &output->tail;
    if (!output->rewritable || !tail->size)
        return;
    if (write_quietly(output->fd, tail->data, tail->size, (int64_t)output->body) == tail->size &&
        ftruncate(output->fd, (off_t)(output->body + tail->size)) < 0)
        return; /* the error that led here is told */
}

/* The file now ends here; what an earlier and longer one has left behind that goes away. */
static struct error *end_at(struct trace_output *output, uint64_t size) {
    if (output->rewritable && size < output->file_size && ftruncate(output->fd, (off_t)size) < 0)
        return error_system(errno, "%s", output->path);
    output->file_size = size;
    return NULL;
}

/* An error means that the file is as before. */
static struct error *write_block(struct trace_output *output, const struct trace_block *block) {
    TRY(buffer_check(&block->text));
    size_t size = output->rewritable ? block->text.size : block->body_size;
    int64_t offset = output->rewritable ? (int64_t)output->body : -1;
    if (write_quietly(output->fd, block->text.data, size, offset) != size) {
        struct error *err = error_system(errno, "%s", output->path);
        restore_tail(output);
        return err;
    }
    output->body += block->body_size;
    output->totals = block->totals;
    TRY(end_at(output, (uint64_t)offset + size));
    keep_tail(output, block->text.data + block->body_size, block->text.size - block->body_size);
    return NULL;
}

/* ---- the queue ---- */

static void lock(struct trace_output *output) {
    if (output->async)
        pthread_mutex_lock(&output->mutex);
}

static void unlock(struct trace_output *output) {
    if (output->async)
        pthread_mutex_unlock(&output->mutex);
}

/* Write the first block of the queue. Called with the lock, which is not held while writing. */
static void write_first(struct trace_output *output) {
    const struct trace_block *block = &output->blocks[output->first];
    bool failed = output->failed;
    unlock(output);
    struct error *err = failed ? NULL : write_block(output, block);
    lock(output);
    if (err) {
        output->failed = true;
        output->error = err;
    }
    output->first = (output->first + 1) % BLOCKS;
    output->queued--;
}

static void *write_queue(void *context) {
    struct trace_output *output = context;
    thread_step_back();
    lock(output);
    for (;;) {
        while (!output->queued && !output->ending)
            pthread_cond_wait(&output->changed, &output->mutex);
        if (!output->queued)
            break;
        write_first(output);
        pthread_cond_broadcast(&output->changed);
    }
    unlock(output);
    return NULL;
}

struct trace_block *trace_output_block(struct trace_output *output) {
    lock(output);
    while (output->queued == BLOCKS)
        pthread_cond_wait(&output->changed, &output->mutex);
    struct trace_block *block = &output->blocks[(output->first + output->queued) % BLOCKS];
    unlock(output);
    buffer_clear(&block->text);
    block->body_size = 0;
    return block;
}

void trace_output_put(struct trace_output *output, struct trace_block *block) {
    (void)block; /* there is only one that it can be: the one behind the queue */
    lock(output);
    output->queued++;
    if (output->async)
        pthread_cond_broadcast(&output->changed);
    else
        write_first(output);
    unlock(output);
}

void trace_output_wait(struct trace_output *output) {
    lock(output);
    while (output->queued)
        pthread_cond_wait(&output->changed, &output->mutex);
    unlock(output);
}

bool trace_output_failed(struct trace_output *output) {
    lock(output);
    bool failed = output->failed;
    unlock(output);
    return failed;
}

struct error *trace_output_error(struct trace_output *output) {
    lock(output);
    struct error *err = output->error;
    output->error = NULL;
    unlock(output);
    return err;
}

struct trace_totals trace_output_totals(const struct trace_output *output) {
    return output->totals;
}

/* ---- from beginning to end ---- */

static struct error *open_path(struct trace_output *output, const char *path) {
    bool standard = !strcmp(path, "-");
    struct stat status;
    output->path = strdup(standard ? "standard output" : path);
    if (!output->path)
        return &error_no_memory;
    output->fd = standard ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                          : open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (output->fd < 0 || fstat(output->fd, &status) < 0)
        return error_system(errno, "%s", output->path);
    /* What the file held is overwritten by the first block and then cut off, so that it is never there
     * without a trace. */
    output->file_size = (uint64_t)status.st_size;
    /* Others may write to our standard output as well: there is no going back in it. */
    output->rewritable = !standard && S_ISREG(status.st_mode);
    return NULL;
}

static struct error *start_thread(struct trace_output *output) {
    pthread_mutex_init(&output->mutex, NULL);
    pthread_cond_init(&output->changed, NULL);
    output->async = true;
    int errnum = thread_start(&output->thread, write_queue, output);
    if (!errnum)
        return NULL;
    output->async = false;
    return error_system(errnum, "%s: the thread that writes", output->path);
}

static void stop_thread(struct trace_output *output) {
    if (!output->async)
        return;
    lock(output);
    output->ending = true;
    pthread_cond_broadcast(&output->changed);
    unlock(output);
    pthread_join(output->thread, NULL);
    pthread_mutex_destroy(&output->mutex);
    pthread_cond_destroy(&output->changed);
    output->async = false;
}

static struct error *destroy(struct trace_output *output) {
    struct error *err = NULL;
    stop_thread(output);
    guard_destroy(output->guard);
    /* Network file systems and quotas tell of failures no sooner. */
    if (output->fd >= 0 && close(output->fd) < 0 && errno != EINTR)
        err = error_system(errno, "%s", output->path);
    for (size_t i = 0; i < BLOCKS; i++)
        buffer_deinit(&output->blocks[i].text);
    buffer_deinit(&output->tail);
    error_free(output->error);
    free(output->path);
    free(output);
    return err;
}

struct error *trace_output_create(const char *path, struct trace_output **ret) {
    struct trace_output *output = calloc(1, sizeof(*output));
    if (!output)
        return &error_no_memory;
    output->fd = -1;
    struct error *err = open_path(output, path);
    if (err) {
        error_free(destroy(output));
        return err;
    }
    *ret = output;
    return NULL;
}

struct error *trace_output_start(struct trace_output *output, bool async, bool guarded) {
    if (guarded && output->rewritable) {
        TRY(guard_create(output->fd, &output->guard));
        guard_tell(output->guard, output->body, output->tail.data, output->tail.size);
    }
    return async ? start_thread(output) : NULL;
}

static struct error *write_last_tail(struct trace_output *output, const struct buffer *tail) {
    int64_t offset = output->rewritable ? (int64_t)output->body : -1;
    if (output->failed && !output->rewritable)
        return NULL;
    if (write_quietly(output->fd, tail->data, tail->size, offset) != tail->size) {
        struct error *err = error_system(errno, "%s", output->path);
        restore_tail(output);
        return err;
    }
    return end_at(output, output->body + tail->size);
}

struct error *trace_output_finish(struct trace_output *output, const struct buffer *tail) {
    stop_thread(output);
    struct error *err = write_last_tail(output, tail);
    struct error *closed = destroy(output);
    if (!err)
        return closed;
    error_free(closed);
    return err;
}

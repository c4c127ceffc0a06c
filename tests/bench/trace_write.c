/* What writing a trace costs: events a second, and the memory of this process while the trace grows.
 * trace_write EVENTS PATH [async] [guard] [jsonl]; a line after each tenth of the events. */
#include "trace/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static long resident_kib(void) {
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void fill_entry(struct trace_event *event, uint64_t number) {
    event->type = TRACE_FUNCTION_ENTRY;
    trace_data_string(&event->data, "function", "calculate_total");
    trace_data_open_object(&event->data, "arguments");
    trace_data_unsigned(&event->data, "price", number);
    trace_data_raw(&event->data, "tax_rate", "0.08", 4);
    trace_data_close_object(&event->data);
    trace_data_string(&event->data, "file", "shop.c");
    trace_data_unsigned(&event->data, "line", 12);
}

static void fill_exit(struct trace_event *event, uint64_t number) {
    event->type = TRACE_FUNCTION_EXIT;
    trace_data_string(&event->data, "function", "calculate_total");
    trace_data_unsigned(&event->data, "return_value", number + 8);
    trace_data_unsigned(&event->data, "duration_ns", 1234);
}

static struct error *write_events(struct trace_writer *writer, uint64_t count) {
    struct trace_event event = {0};
    struct error *err = NULL;
    uint64_t start = now_ns(CLOCK_MONOTONIC), time = now_ns(CLOCK_REALTIME),
             tenth = count / 10 ? count / 10 : 1;
    for (uint64_t i = 0; i < count && !err; i++) {
        trace_event_reset(&event);
        event.timestamp_ns = time + i * 700;
        event.pid = event.tid = 4242;
        if (i % 2)
            fill_exit(&event, i);
        else
            fill_entry(&event, i);
        err = trace_writer_write(writer, &event);
        if ((i + 1) % tenth == 0)
            printf("%10llu events %8.2f s %10.0f events/s %8ld KiB resident\n", (unsigned long long)i + 1,
                   (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9,
                   (double)(i + 1) * 1e9 / (double)(now_ns(CLOCK_MONOTONIC) - start), resident_kib());
    }
    trace_event_deinit(&event);
    return err;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s EVENTS PATH [async] [guard] [jsonl]\n", argv[0]);
        return 2;
    }
    struct trace_writer_options options = {.path = argv[2], .facts = {.program = "./shop", .pid = 4242}};
    for (int i = 3; i < argc; i++) {
        options.async_write |= !strcmp(argv[i], "async");
        options.guard |= !strcmp(argv[i], "guard");
        if (!strcmp(argv[i], "jsonl"))
            options.format = TRACE_JSONL;
    }
    struct trace_writer *writer = NULL;
    struct error *err = trace_writer_create(&options, &writer);
    if (!err)
        err = write_events(writer, strtoull(argv[1], NULL, 10));
    struct error *closed = trace_writer_close(writer);
    if (!err)
        err = closed;
    else
        error_free(closed);
    if (err)
        fprintf(stderr, "trace_write: %s\n", err->message);
    error_free(err);
    return err != NULL;
}

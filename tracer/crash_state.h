/* crash_state: what the files of the crash capture share. Private to tracer/crash*.c. */
#ifndef REEL_TRACER_CRASH_STATE_H
#define REEL_TRACER_CRASH_STATE_H

#include "base/buffer.h"
#include "base/memory.h"
#include "dwarf/function.h"
#include "tracer/crash.h"
#include "tracer/maps.h"
#include "tracer/modules.h"

#include <stdio.h>

/* Bounds. */
enum {
    CRASH_THREADS = 4096,       /* threads that are told of */
    CRASH_THREADS_STACKS = 512, /* those whose stacks are */
    CRASH_THREADS_LOCALS = 64,  /* those whose variables are */
    CRASH_FRAMES_FIRST = 200,   /* kept frames of a stack: the innermost, */
    CRASH_FRAMES_LAST = 40,     /* and the outermost */
    CRASH_FRAMES_LOCALS = 64,   /* frames whose variables are told */
    CRASH_FRAMES_OTHERS = 64,   /* innermost frames of the other threads */
    CRASH_VARIABLES = 200,      /* of one frame */
    CRASH_TEXT = 16 << 20,      /* bytes of variables in all */
    CRASH_LIST = 4096,          /* open files, arguments, variables of the environment */
    CRASH_MODULES = 4096,
};

/* ---- memory ---- */

/* The memory of a stopped process, page by page remembered: unwinding reads a word at a time. */
struct crash_memory {
    struct task *task;
    struct crash_page *pages;
};
struct error *crash_memory_init(struct crash_memory *memory, struct task *task);
void crash_memory_deinit(struct crash_memory *memory);
struct memory_reader crash_memory_reader(struct crash_memory *memory);

/* ---- stacks ---- */

struct crash_variable {
    const char *name; /* of the module */
    const char *type; /* of the module, or NULL */
    bool parameter;
    char *value; /* JSON, owned */
};

struct crash_frame {
    uint64_t pc;                        /* what it is executing; of a caller a byte within the call */
    uint64_t cfa;                       /* 0: unknown */
    struct frame_registers registers;   /* as far as known */
    const struct loaded_module *module; /* NULL: none */
    const struct function *function;    /* NULL: unknown */
    const char *name, *file;            /* of the function, or what is inlined there; NULL: unknown */
    unsigned line;                      /* 0: unknown */
    int inlined;                        /* index of the instance, or -1 */
    bool signal_frame;                  /* the kernel called a handler here */
    bool guessed;                       /* found without call frame information */
    size_t skipped;                     /* frames left out in front of this one */
    struct crash_variable *variables;
    size_t variable_count;
};

struct crash_thread {
    pid_t tid;
    char name[64];
    int signo; /* that it was about to get, or 0 */
    bool has_registers;
    struct user_regs_struct regs;
    uint8_t *xstate; /* XSTATE_MAX bytes at most; NULL: none */
    size_t xstate_size;
    struct task *task;
    struct crash_frame *frames;
    size_t frame_count, frame_room;
    size_t depth;    /* frames in all, those left out too */
    const char *end; /* why the stack ends where it ends; NULL: as it should */
};

/* ---- why ---- */

enum crash_access { ACCESS_UNKNOWN, ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE };

struct crash_reason {
    int signo;             /* 0: an exit */
    char code[96];         /* si_code in words; "" when there is nothing to say */
    bool has_address;      /* the address that was accessed, or that the signal is about */
    uint64_t address;      /* */
    bool address_computed; /* the kernel does not say (it is not canonical): from the instruction */
    enum crash_access access;
    bool has_mapping; /* what is mapped there */
    struct mapping mapping;
    char place[160]; /* the address in words: "null pointer", "48 bytes behind [heap]", ... */
    bool stack_overflow;
    char sender[96];        /* who sent it; "" */
    char *message;          /* of abort, assert, glibc; NULL */
    char *exception, *what; /* of a C++ exception that nobody catches, NULL: unknown or none */
    char handler[96];       /* what a handler has to do with it; "" */
    char summary[512];      /* one line */
};

/* ---- facts ---- */

struct crash_list {
    char **items;
    size_t count, room;
    bool cut; /* there are more */
};
struct error *crash_list_add(struct crash_list *list, const char *text, size_t size);
void crash_list_deinit(struct crash_list *list);

struct crash_descriptor {
    int fd;
    char *target, *flags; /* where /proc/PID/fd/N leads; octal flags and offset */
    uint64_t offset;
};

struct crash_facts {
    char name[64];
    char *exe, *cwd, *root, *cgroup; /* NULL: unknown */
    pid_t ppid;
    uid_t uid;
    size_t threads;
    double uptime; /* seconds; < 0: unknown */
    char *limits;  /* text of /proc/PID/limits */
    struct crash_list arguments, environment;
    size_t masked;
    struct crash_descriptor *descriptors;
    size_t descriptor_count, descriptor_room;
    bool descriptors_cut;
};

struct crash {
    const struct crash_options *options;
    const struct crash_event *event;
    const struct halt *halt;
    struct crash_memory memory;
    struct memory_reader reader;
    struct maps maps;
    struct module_cache cache;
    struct process_modules modules;
    uint64_t entry; /* of the program */
    struct crash_reason reason;
    struct crash_thread *threads; /* that of the crash first */
    size_t thread_count;
    size_t threads_left_out;
    struct crash_facts facts;
    char *code; /* disassembly around rip, lines; NULL: none */
    uint64_t hash;
    uint64_t time_ns;  /* when, CLOCK_REALTIME */
    uint64_t deadline; /* CLOCK_MONOTONIC */
    size_t text_left;
    bool late;        /* the deadline has passed, or text_left is used up: something was left out */
    bool killed;      /* the process died under our hands */
    bool analysed;    /* everything but the core is there */
    char *core_state; /* "written", ... */
    uint64_t core_size, core_left_out;
};

/* Is there time, and room for text, left? */
bool crash_has_time(struct crash *crash);

/* ---- the parts ---- */

/* crash_stack.c: frames of a thread, without variables. */
struct error *crash_stack(struct crash *crash, struct crash_thread *thread, size_t first, size_t last);
void crash_thread_deinit(struct crash_thread *thread);
/* Names and lines for the frames. */
struct error *crash_symbolize(struct crash *crash, struct crash_thread *thread);
/* Is this in memory that may be executed? */
bool crash_is_code(const struct crash *crash, uint64_t address);

/* crash_locals.c: variables of the innermost `most` frames. */
struct error *crash_locals(struct crash *crash, struct crash_thread *thread, size_t most);

/* crash_reason.c: all of crash->reason; the stack of the first thread is known. */
struct error *crash_find_reason(struct crash *crash);

/* crash_access.c: which memory operand of the instruction at rip is about `address` (or, without one, has an
 * address that is not canonical, which is then put to *ret_address). */
enum crash_access crash_access(struct crash *crash, const struct user_regs_struct *regs, bool has_address,
                               uint64_t address, uint64_t *ret_address);
/* Lines of disassembly around rip, a fresh string; NULL: nothing can be read there. */
char *crash_disassemble(struct crash *crash, const struct user_regs_struct *regs);

/* crash_message.c: what abort() was told, and the exception that nobody catches; fresh strings or NULL. */
char *crash_abort_message(struct crash *crash);
void crash_exception(struct crash *crash, uint64_t thread_pointer, char **ret_type, char **ret_what);

/* crash_facts.c */
struct error *crash_find_facts(struct crash *crash);
void crash_facts_deinit(struct crash_facts *facts);
/* Does this name look like that of a secret? */
bool crash_is_secret(const struct crash_options *options, const char *name, size_t size);

/* crash_json.c, crash_text.c: the reports, appended to ret; count and times as of now. */
struct crash_counts {
    uint64_t count;
    uint64_t first_ns, last_ns;
};
struct error *crash_json(const struct crash *crash, const struct crash_counts *counts, struct buffer *ret);
struct error *crash_text(const struct crash *crash, const struct crash_counts *counts, struct buffer *ret);
/* "SIGSEGV", and words for the kind of access. */
const char *crash_access_name(enum crash_access access);
/* Hexadecimal build-id of a module, 2 * size + 1 bytes; "" when it has none. */
void crash_build_id(const struct loaded_module *module, char ret[129]);

/* crash_core.c: write the core to an empty file. *ret_size: bytes on disk; *ret_left_out: bytes of memory
 * that were left out for the limit. An error: it is not to be kept. */
struct error *crash_core(const struct crash *crash, int fd, uint64_t *ret_size, uint64_t *ret_left_out);

/* crash_folder.c: the folder of reports, and one report in it. */
struct crash_folder {
    int fd;         /* of the folder of reports */
    int report;     /* of the report itself, or -1 */
    char name[256]; /* of the report */
};
struct error *crash_folder_open(const struct crash_options *options, struct crash_folder *ret);
void crash_folder_close(struct crash_folder *folder);
/* Either count a crash like this in the report that is there (*ret_counts, folder->name, folder->report stays
 * -1), or make a new report with that name. */
struct error *crash_folder_report(struct crash_folder *folder, const struct crash *crash,
                                  struct crash_counts *ret_counts);
/* Put both texts there, or replace them, with the count as it is by now. */
struct error *crash_folder_write(struct crash_folder *folder, const struct crash *crash);
/* Remove the oldest reports until all together take no more than the quota; this report is kept. */
void crash_folder_quota(struct crash_folder *folder, uint64_t quota);

#endif

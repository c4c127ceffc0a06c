/* calltrace_state: what the files of the call tracer share. Private to tracer/calltrace*.c and trace_*.c. */
#ifndef REEL_TRACER_CALLTRACE_STATE_H
#define REEL_TRACER_CALLTRACE_STATE_H

#include "dwarf/value.h"
#include "trace/event.h"
#include "trace/writer.h"
#include "tracer/calltrace.h"
#include "tracer/frames.h"
#include "tracer/function_sites.h"
#include "tracer/jump_probes.h"
#include "tracer/locate.h"
#include "tracer/patch.h"
#include "tracer/record_view.h"
#include "tracer/selection.h"
#include "tracer/trap.h"

/* A trap of a process: what to remove when the process is left. */
struct traced_process {
    struct calltrace *calltrace;
    pid_t pid, shown_pid;
    struct process_modules modules;
    struct trap_set *traps;    /* NULL after an error; a vfork child's is its parent's */
    struct jump_probes *jumps; /* NULL: none. Shared with a vfork child */
    bool traps_borrowed;
    bool no_traps;                 /* only jump probes are wanted in functions */
    bool is_attached;              /* it has to live on when reel is killed: then nowhere else, either */
    struct loaded_module *planted; /* modules whose sites are planted */
    size_t planted_count;
    struct trace_writer *writer;
    char *program;  /* path of its executable, or NULL */
    uint64_t entry; /* process address of its first instruction */
    unsigned threads;
};

struct traced_thread {
    struct traced_process *process;
    struct task *task; /* of the engine or the puppet; not owned */
    pid_t tid, shown_tid;
    struct thread_frames frames;
    struct ring ring; /* zeroed: none */
    uint64_t last_ns; /* of its last record */
    uint64_t lost;    /* records that its ring had no room for */
    bool has_gap;     /* some were lost: frames that are gone may have been left properly */
    uint64_t gap_end; /* up to this place in the ring */
};

/* A process's memory as it would be without probes of any kind. It must outlive the reader. */
struct process_memory {
    const struct traced_process *process;
    struct trap_memory traps;
    struct patch_memory patches;
};
struct memory_reader process_memory_reader(struct process_memory *memory, struct task *task);

/* What was selected in a module: traced_module.user. */
struct module_sites {
    struct traced_module *module;
    struct traced_function **functions;
    size_t function_count;
    struct traced_function **place_functions; /* for --at in functions that are not traced: only variables */
    size_t place_function_count;
    struct site **extras; /* special sites, and --at sites of their own */
    size_t extra_count;
    bool has_lines;
    struct patch_code *code; /* for jump probes; NULL when not yet needed, or not to be had: */
    char *code_obstacle;
    struct module_sites *next; /* all of them, for freeing */
};

/* The TSC against the clock of the host, at two moments. */
struct tick_clock {
    uint64_t tsc[2], ns[2];
};

struct calltrace {
    const struct trace_options *options;
    struct calltrace_host host;
    struct selection *selection;
    struct module_cache cache;
    struct module_sites *sites;
    struct traced_process **processes;
    size_t process_count, process_room;
    struct traced_thread **threads; /* sorted by tid */
    size_t thread_count, thread_room;
    struct value_options values;
    struct trace_event event; /* reused */
    struct plan_notes notes;  /* reused */
    struct buffer text;       /* reused */
    struct calltrace_totals totals;
    struct tick_clock clock;
    uint32_t counters;        /* that were given to functions (trace_rules.h) */
    struct ring_mover *mover; /* NULL: there was no ring yet that wants one */
    struct record_view view;  /* reused */
    char *path;
    bool full, any_selected;
    bool is_preparing;  /* calltrace_prepare(): notes are held back */
    struct buffer held; /* texts of notes, each with its NUL */
};

/* One passage of a site, as it is looked at: by a task that stands there, or by the record that it has left
 * in its ring (trace_rings.c). All that is looked at comes through registers and memory. */
struct hit_context {
    struct calltrace *calltrace;
    struct traced_thread *thread;
    struct site *site;
    unsigned kinds; /* of the site's (enum site_kind): what this passage is about */
    struct frame_registers registers;
    struct memory_reader memory;
    uint64_t rsp, fs_base; /* fs_base 0: not known */
    uint64_t bias;
    uint64_t now;
    /* Where the instruction goes: as it was decoded, with all registers when there are flags to look at; or
     * known. */
    const struct displaced *displaced;
    const struct user_regs_struct *regs; /* NULL: those of `registers` must do */
    bool has_destination;
    uint64_t destination;
    struct frame_stack *stack;
    const struct entry_registers *entry; /* without a stack: of the function */
    bool is_judged;                      /* the agent has counted this call, for --sample */
    bool is_muted;                       /* in a call that the agent has muted */
    struct counted_types *counted;       /* types that were made for this hit (trace_counted.c) */
};

/* ---- trace_hits.c ---- */

/* Deal with a passage: everything of the context that is not about the stack is set. */
struct error *trace_observe(struct hit_context *context);

/* ---- calltrace.c ---- */

/* Begin the shared event; depth is that of the recorded frames. */
struct trace_event *calltrace_event(struct calltrace *calltrace, const struct traced_thread *thread,
                                    enum trace_type type, uint64_t now, uint32_t depth);
/* Write it. A write that fails ends the tracing (calltrace_full()), and is reported once. */
struct error *calltrace_write(struct calltrace *calltrace, struct traced_process *process);
/* A note of kind "not_traced": what is left out of the trace, and why. */
struct error *calltrace_note(struct calltrace *calltrace, struct traced_process *process, const char *format,
                             ...) __attribute__((format(printf, 3, 4)));
/* Those that were held back. */
struct error *calltrace_tell_held(struct calltrace *calltrace, struct traced_process *process);
/* Add that it belongs to an inlined instance of another function, when it does: "inlined", its name; and the
 * file that the line is in. */
void calltrace_put_inlined(struct trace_event *event, const struct traced_function *function, int inlined,
                           const char *file);
uint64_t calltrace_now(const struct calltrace *calltrace);
/* Depth of recorded calls that a thread is in now. */
uint32_t thread_depth(const struct traced_thread *thread);

/* The first of several errors; others are freed. */
static inline void keep_first(struct error **kept, struct error *err) {
    if (*kept)
        error_free(err);
    else
        *kept = err;
}

/* ---- trace_table.c ---- */

struct traced_thread *calltrace_find_thread(const struct calltrace *calltrace, pid_t tid);
struct error *traced_process_add(struct calltrace *calltrace, pid_t pid, pid_t shown_pid,
                                 struct traced_process **ret);
/* With its threads; the error is that of closing its file. */
struct error *traced_process_drop(struct traced_process *process);
struct error *traced_thread_add(struct traced_process *process, struct task *task, pid_t shown_tid,
                                struct traced_thread **ret);
void traced_thread_drop(struct traced_thread *thread);
/* All threads of a process but one, or NULL: all. */
void traced_threads_drop(struct traced_process *process, const struct traced_thread *but);
void traced_thread_renumber(struct traced_thread *thread, pid_t tid);

/* ---- trace_output.c ---- */

/* process->writer, on a file whose name has the process's number unless it is the first one. */
struct error *trace_output_open(struct traced_process *process);
/* Counts what was written. Nothing to be done when there is none. */
struct error *trace_output_close(struct traced_process *process);

/* ---- trace_plant.c: modules, sites, traps ---- */

/* Find modules, select functions, plant what is not planted yet. */
struct error *plant_process(struct traced_process *process, struct task *task);
/* What can be found out of a running process's modules without stopping it. */
struct error *plant_prepare(struct traced_process *process);
void module_sites_destroy(struct module_sites *sites);
/* The site at an address that is none of a traced function's, made when it is new. function: whose variables
 * are to be seen there, or NULL. */
struct error *module_sites_extra(struct module_sites *sites, uint64_t vaddr, struct traced_function *function,
                                 struct site **ret);

/* ---- trace_adopt.c ---- */

/* Frames for the traced functions that a thread is in when tracing begins. */
struct error *trace_adopt(struct traced_thread *thread);

/* ---- trace_calls.c ---- */

struct error *trace_entry(struct hit_context *context);
/* `ret`. */
struct error *trace_exit(struct hit_context *context);
/* A jump that may leave the function. */
struct error *trace_jump(struct hit_context *context);
/* Frames that rsp has left behind: their exits. keep_equal: a frame at rsp itself is still there. */
struct error *trace_unwound(struct calltrace *calltrace, struct traced_thread *thread,
                            struct frame_stack *stack, uint64_t rsp, bool keep_equal, uint64_t now);
/* The recorded frame that the site's function is in, or NULL. */
struct frame *trace_current_frame(struct hit_context *context);
/* Does a jump from the site to this process address leave its function? */
bool trace_destination_leaves(const struct traced_process *process, const struct site *site, uint64_t bias,
                              uint64_t destination);
/* Is the function one of those that --sample is about? */
bool trace_is_sampled(const struct traced_function *function);
/* Where the instruction at the hit goes, as a process address; false when it cannot be told. */
bool trace_destination(struct hit_context *context, uint64_t *ret);

/* A register of an encoding as DWARF counts them (System V ABI, figure 3.36). */
unsigned trace_dwarf_number(unsigned encoding);

/* ---- trace_needs.c ---- */

/* Does the variable's location at vaddr ask for what the caller had in registers that are not kept? (A false
 * alarm does no harm.) */
bool trace_wants_caller(const struct variable *variable, uint64_t vaddr);

/* What looking at this emission will ask for; its layout is not placed yet. ERROR_UNSUPPORTED with the reason
 * when only a stopped task can answer. The thread is any of the process. */
struct error *trace_needs(struct traced_thread *thread, const struct emission *emission,
                          struct record_layout *ret);

/* ---- trace_jumps.c: planting jump probes ---- */

/* The process gets jump probes, if they are wanted and it can have them: its first task stands still. */
/* Look at a module's code, unless that has been done; what is in the way is told when it is asked for again.
 */
struct error *trace_jumps_prepare(struct traced_module *module);
struct error *trace_jumps_begin(struct traced_process *process, struct task *task);
/* A stop of a puppet that its probes ask for (emit_record.h): done, and the puppet can go on. */
struct error *trace_jumps_stop(struct traced_thread *thread, const struct stop *stop, bool *ret_done);
/* Of a fork child. */
struct error *trace_jumps_clone(const struct traced_process *parent, struct traced_process *child);
/* All is gone (exec), or belongs to the parent (a vfork child). */
void trace_jumps_forget(struct traced_process *process);
/* Add the function's sites, if all of it can be noted; else *ret_obstacle, the caller's, says why not. */
struct error *trace_jumps_add(struct traced_process *process, struct traced_thread *thread,
                              struct traced_function *function, uint64_t bias, char **ret_obstacle);
/* May a site that is no jump be a trap? */
bool trace_jumps_allow_trap(const struct traced_process *process, const struct site *site);
/* Make code for what was added. */
struct error *trace_jumps_build(struct traced_process *process, struct task *task);
/* Lead the program there. halt: all threads that may be anywhere near, standing still. */
struct error *trace_jumps_arm(struct traced_process *process, struct halt *halt);
/* Why there is no jump probe at this process address; NULL: there is one. */
const char *trace_jumps_obstacle(const struct traced_process *process, uint64_t address);

/* ---- trace_list.c ---- */

/* Print which probes a function has got; obstacle: why it has no jumps at all, or NULL. */
void trace_list_function(const struct traced_process *process, const struct traced_function *function,
                         uint64_t bias, const char *obstacle);

/* ---- trace_rings.c ---- */

/* A ring for a thread that stands still. */
struct error *trace_ring_begin(struct traced_thread *thread, struct task *by);
/* It has ended, and what it has noted is told. */
void trace_ring_end(struct traced_thread *thread);
/* Take out and deal with all that the rings of all processes hold up to now. stopped: a thread that stands
 * still, whose ring is emptied whatever the time; NULL: none. */
struct error *trace_rings_drain(struct calltrace *calltrace, struct traced_thread *stopped);

/* ---- trace_variables.c ---- */

/* Set the base that parameters are compared with: their values at the entry. */
struct error *trace_variables_begin(struct hit_context *context, struct frame *frame);
/* Compare, write what has changed. */
struct error *trace_variables(struct hit_context *context, struct frame *frame);
/* --at */
struct error *trace_places(struct hit_context *context);
/* For conditions: names are those of the function at vaddr; at_entry: parameters are where the caller put
 * them. */
struct name_scope {
    struct hit_context *context;
    const struct traced_function *function;
    uint64_t vaddr;
    bool at_entry;
    struct expression_scope scope; /* use this */
};
void name_scope_init(struct name_scope *scope, struct hit_context *context,
                     const struct traced_function *function, uint64_t vaddr, bool at_entry);
/* Bytes of parameter `index` at the entry; false when they cannot be had. */
bool trace_argument_bytes(struct hit_context *context, const struct traced_function *function, size_t index,
                          void *ret, size_t size, enum plan_state *ret_state);

/* Does looking at parameter `index` at the entry depend on nothing but registers, the stack, and strings? */
bool trace_argument_is_plain(const struct traced_function *function, size_t index);

/* What locates a variable at a hit; function is still to be set, unless it is a global. */
struct locate_request trace_locate_request(struct hit_context *context, struct traced_module *module,
                                           const struct variable *variable, uint64_t vaddr);
/* Its bytes at vaddr. */
enum plan_state trace_variable_bytes(struct hit_context *context, const struct traced_function *function,
                                     size_t index, uint64_t vaddr, void *ret, size_t size);

/* ---- trace_counted.c: variables that traced_variable_is_counted() ---- */

/* Put traced_look_size() bytes to ret, for trace_render(). */
enum plan_state trace_counted_bytes(struct hit_context *context, const struct traced_function *function,
                                    size_t index, uint64_t vaddr, void *ret);
/* The same of an argument at the entry, which begins at place. */
bool trace_counted_argument(struct hit_context *context, const struct traced_function *function, size_t index,
                            const struct abi_place *place, void *ret);
/* Append the value of any variable whose noted bytes these are. */
void trace_render(struct hit_context *context, const struct traced_function *function, size_t index,
                  const uint8_t *bytes, size_t size, struct buffer *ret);
/* The type that noted bytes are of, as long as the hit lasts, and the value's own bytes among them. NULL:
 * none. */
const struct type *trace_counted_type(struct hit_context *context, const struct traced_function *function,
                                      size_t index, const uint8_t *bytes, const uint8_t **ret_bytes,
                                      size_t *ret_size);
void trace_counted_deinit(struct hit_context *context);

/* ---- trace_exceptions.c ---- */

/* The sites in this module that tell of exceptions and of new modules. */
struct error *special_sites(struct module_sites *sites, const struct trace_options *options);
struct error *trace_special(struct hit_context *context);
struct error *trace_signal_event(struct traced_thread *thread, const siginfo_t *info, bool handled,
                                 bool fatal);

#endif

/* trace_exceptions: what leaves functions by another way than their ends. Probes on the runtime libraries'
 * own functions tell of throw, catch, longjmp, abort and panics; the kernel tells of signals. */
#include "tracer/calltrace_state.h"

#include "dwarf/demangle.h"
#include "tracer/cxx_exception.h"
#include "tracer/syscall.h"

#include <stdlib.h>
#include <string.h>

/* ---- which functions ---- */

static const struct {
    const char *symbol;
    enum special special;
} specials[] = {
    {"_dl_debug_state", SPECIAL_MODULES}, /* in ld.so */
    {"__cxa_throw", SPECIAL_THROW},       {"__cxa_rethrow", SPECIAL_RETHROW},
    {"__cxa_begin_catch", SPECIAL_CATCH}, {"longjmp", SPECIAL_LONGJMP},
    {"_longjmp", SPECIAL_LONGJMP},        {"siglongjmp", SPECIAL_LONGJMP},
    {"__longjmp_chk", SPECIAL_LONGJMP},   {"abort", SPECIAL_ABORT},
    {"rust_panic", SPECIAL_PANIC},
};

/* The function's own site when it is traced itself; else one of several functions there may be: longjmp and
 * _longjmp are one. */
static struct error *add_special(struct module_sites *sites, uint64_t vaddr, enum special special) {
    struct site *site = NULL;
    for (size_t i = 0; i < sites->function_count && !site; i++)
        site = traced_function_site(sites->functions[i], vaddr);
    if (!site)
        TRY(module_sites_extra(sites, vaddr, NULL, &site));
    site->kinds |= SITE_SPECIAL;
    site->special = special;
    return NULL;
}

static bool find_symbol(struct module_sites *sites, const char *symbol, uint64_t *ret) {
    struct error *err = elf_dynamic_symbol(module_image(sites->module->module), symbol, ret);
    if (!err)
        return true;
    error_free(err);
    struct function_list list = {0};
    const struct function_query query = {.exact = symbol};
    err = module_functions(sites->module->module, &query, &list);
    bool found = !err && list.count;
    if (found)
        *ret = list.functions[0]->entry;
    error_free(err);
    function_list_deinit(&list);
    return found;
}

struct error *special_sites(struct module_sites *sites, const struct trace_options *options) {
    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
        uint64_t vaddr;
        if (specials[i].special != SPECIAL_MODULES && !options->trace_exceptions)
            continue;
        if (find_symbol(sites, specials[i].symbol, &vaddr))
            TRY(add_special(sites, vaddr, specials[i].special));
    }
    return NULL;
}

/* ---- C++ objects ---- */

static void put_exception(struct hit_context *context, uint64_t type_info, uint64_t object) {
    struct buffer *data = &context->calltrace->event.data;
    char name[512], text[1024];
    if (cxx_type_name(&context->memory, type_info, name, sizeof(name))) {
        char demangled[1024];
        trace_data_string(data, "type", demangle_type(name, demangled, sizeof(demangled)) ? demangled : name);
    }
    if (cxx_exception_text(&context->memory, type_info, object, text, sizeof(text)))
        trace_data_string(data, "what", text);
}

/* ---- events ---- */

static struct trace_event *begin(struct hit_context *context, const char *kind) {
    struct trace_event *event = calltrace_event(context->calltrace, context->thread, TRACE_EXCEPTION,
                                                context->now, thread_depth(context->thread));
    trace_data_string(&event->data, "kind", kind);
    return event;
}

/* The recorded function that does it. */
static void put_function(struct hit_context *context) {
    struct frame *top = frame_stack_top(context->stack);
    if (!top || top->silent)
        return;
    trace_data_string(&context->calltrace->event.data, "function", top->function->function->name);
    if (top->statement)
        trace_data_unsigned(&context->calltrace->event.data, "line", top->statement->line);
}

/* DWARF numbers. */
enum { RSI = 4, RDI = 5 };

static uint64_t argument(const struct hit_context *context, unsigned reg) {
    uint64_t value = 0;
    frame_register(&context->registers, reg, &value);
    return value;
}

/* __cxa_throw(object, type_info, destructor) */
static struct error *on_throw(struct hit_context *context) {
    begin(context, "throw");
    put_exception(context, argument(context, RSI), argument(context, RDI));
    put_function(context);
    return calltrace_write(context->calltrace, context->thread->process);
}

/* __cxa_begin_catch(unwind header) */
static struct error *on_catch(struct hit_context *context) {
    uint64_t type_info, object;
    begin(context, "catch");
    if (cxx_exception_object(&context->memory, argument(context, RDI), &type_info, &object))
        put_exception(context, type_info, object);
    put_function(context);
    return calltrace_write(context->calltrace, context->thread->process);
}

static struct error *on_simple(struct hit_context *context, const char *kind) {
    begin(context, kind);
    put_function(context);
    return calltrace_write(context->calltrace, context->thread->process);
}

/* longjmp(buffer, value) */
static struct error *on_longjmp(struct hit_context *context) {
    begin(context, "longjmp");
    trace_data_signed(&context->calltrace->event.data, "value", (int32_t)argument(context, RSI));
    put_function(context);
    return calltrace_write(context->calltrace, context->thread->process);
}

struct error *trace_special(struct hit_context *context) {
    const struct frame *top = frame_stack_top(context->stack);
    if (context->site->special == SPECIAL_MODULES)
        return plant_process(context->thread->process, context->thread->task);
    /* it has just been called: only its own frame can be at its return address */
    TRY(trace_unwound(context->calltrace, context->thread, context->stack, context->rsp,
                      context->site->kinds & SITE_ENTRY, context->now));
    top = frame_stack_top(context->stack);
    if (context->is_muted || (top && top->subtree_silent))
        return NULL;
    switch (context->site->special) {
    case SPECIAL_THROW:
        return on_throw(context);
    case SPECIAL_RETHROW:
        return on_simple(context, "rethrow");
    case SPECIAL_CATCH:
        return on_catch(context);
    case SPECIAL_LONGJMP:
        return on_longjmp(context);
    case SPECIAL_ABORT:
        return on_simple(context, "abort");
    case SPECIAL_PANIC:
        return on_simple(context, "panic");
    case SPECIAL_MODULES:
        break;
    }
    return NULL;
}

/* ---- signals ---- */

struct error *trace_signal_event(struct traced_thread *thread, const siginfo_t *info, bool handled,
                                 bool fatal) {
    struct calltrace *calltrace = thread->process->calltrace;
    if (!calltrace->options->trace_exceptions)
        return NULL;
    struct trace_event *event =
        calltrace_event(calltrace, thread, TRACE_EXCEPTION, calltrace_now(calltrace), thread_depth(thread));
    trace_data_string(&event->data, "kind", "signal");
    trace_data_string(&event->data, "signal", signal_name(info->si_signo));
    bool fault = info->si_code > 0 && (info->si_signo == SIGSEGV || info->si_signo == SIGBUS ||
                                       info->si_signo == SIGFPE || info->si_signo == SIGILL);
    if (fault)
        trace_data_address(&event->data, "address", (uint64_t)info->si_addr);
    trace_data_signed(&event->data, "code", info->si_code);
    if (info->si_code <= 0)
        trace_data_signed(&event->data, "sender", info->si_pid);
    trace_data_bool(&event->data, "handled", handled);
    trace_data_bool(&event->data, "fatal", fatal);
    return calltrace_write(calltrace, thread->process);
}

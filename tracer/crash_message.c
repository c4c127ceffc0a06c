/* crash_message: what a program says when it gives up: the message of glibc's abort (assertions, a heap that
 * is damaged, a smashed stack), and the C++ exception that nobody catches.
 *
 * glibc keeps its message for debuggers: `__abort_msg` leads to a 32-bit size and the text (glibc,
 * include/stdlib.h). libstdc++ has the exceptions that are being handled in a thread-local struct, whose
 * first word is the innermost one (unwind-cxx.h, struct __cxa_eh_globals); std::terminate() is called with
 * the one that nobody catches there. Neither needs debug information. */
#include "tracer/crash_state.h"

#include "dwarf/demangle.h"
#include "tracer/cxx_exception.h"
#include "tracer/pure_call.h"
#include "tracer/tls.h"

#include <Zydis/Zydis.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MOST = 8192 };

/* Process address of a dynamic symbol in any module; the module is put to *ret_module (may be NULL). */
static bool find_symbol(const struct crash *crash, const char *name, uint64_t *ret,
                        const struct loaded_module **ret_module) {
    for (size_t i = 0; i < crash->modules.count; i++) {
        const struct loaded_module *module = &crash->modules.modules[i];
        struct error *err = elf_dynamic_symbol(module_image(module->module->module), name, ret);
        if (!err) {
            *ret += module->bias;
            if (ret_module)
                *ret_module = module;
            return true;
        }
        error_free(err);
    }
    return false;
}

/* One that is no dynamic symbol: a program that is linked statically. */
static bool find_function(const struct crash *crash, const char *name, uint64_t *ret,
                          const struct loaded_module **ret_module) {
    if (find_symbol(crash, name, ret, ret_module))
        return true;
    const struct loaded_module *program = process_modules_find(&crash->modules, crash->entry);
    struct function_list list = {0};
    const struct function_query query = {.exact = name};
    if (!program)
        return false;
    struct error *err = module_functions(program->module->module, &query, &list);
    bool found = !err && list.count;
    if (found) {
        *ret = list.functions[0]->entry + program->bias;
        *ret_module = program;
    }
    error_free(err);
    function_list_deinit(&list);
    return found;
}

static bool is_on_stack(const struct crash *crash, const char *linkage_name) {
    const struct crash_thread *thread = &crash->threads[0];
    for (size_t i = 0; i < thread->frame_count; i++)
        if (thread->frames[i].function && thread->frames[i].inlined < 0 &&
            strcmp(thread->frames[i].function->linkage_name, linkage_name) == 0)
            return true;
    return false;
}

/* ---- abort ---- */

static char *read_message(struct crash *crash, uint64_t address) {
    char *text = malloc(MESSAGE_MOST + 1);
    if (!text)
        return NULL;
    size_t size = memory_read(&crash->reader, address, text, MESSAGE_MOST);
    text[size] = 0;
    size = strlen(text);
    while (size && (text[size - 1] == '\n' || text[size - 1] == ' '))
        text[--size] = 0;
    if (size)
        return text;
    free(text);
    return NULL;
}

char *crash_abort_message(struct crash *crash) {
    static const char *const sayings[][2] = {
        {"__cxa_pure_virtual", "pure virtual method called"},
        {"__cxa_deleted_virtual", "deleted virtual method called"},
    };
    uint64_t symbol, message;
    if (find_symbol(crash, "__abort_msg", &symbol, NULL) &&
        memory_read_exact(&crash->reader, symbol, &message, sizeof(message)) && message) {
        char *text = read_message(crash, message + sizeof(uint32_t));
        if (text)
            return text;
    }
    for (size_t i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++)
        if (is_on_stack(crash, sayings[i][0]))
            return strdup(sayings[i][1]);
    return NULL;
}

/* ---- exceptions ---- */

struct answers {
    struct crash *crash;
    uint64_t thread_pointer;
    uint64_t tls_get_addr;              /* 0: unknown */
    const struct loaded_module *module; /* that asks */
};

/* __tls_get_addr(pair of module and offset): the module is the one that asks. */
static bool answer(void *context, uint64_t function, uint64_t argument, uint64_t *ret) {
    const struct answers *answers = context;
    struct crash *crash = answers->crash;
    uint64_t pair[2];
    bool unallocated = false;
    if (!answers->tls_get_addr || function != answers->tls_get_addr || !answers->module ||
        !memory_read_exact(&crash->reader, argument, pair, sizeof(pair)))
        return false;
    const struct tls_request request = {.modules = &crash->modules,
                                        .module = answers->module->module->module,
                                        .bias = answers->module->bias,
                                        .program_entry = crash->entry,
                                        .thread_pointer = answers->thread_pointer,
                                        .memory = &crash->reader};
    struct error *err = tls_address(&request, pair[1], ret, &unallocated);
    bool good = !err && !unallocated;
    error_free(err);
    return good;
}

static struct pure_call call_of(const struct crash *crash, struct answers *answers, uint64_t argument) {
    return (struct pure_call){.memory = &crash->reader,
                              .argument = argument,
                              .stack = crash->threads[0].regs.rsp - (1 << 16),
                              .fs_base = answers->thread_pointer,
                              .answer = answer,
                              .context = answers};
}

/* The unwind header of the innermost exception that the thread handles; 0: none. */
static uint64_t handled_exception(struct crash *crash, uint64_t thread_pointer) {
    struct answers answers = {.crash = crash, .thread_pointer = thread_pointer};
    uint64_t function, globals, exception;
    if (!find_function(crash, "__cxa_get_globals", &function, &answers.module))
        return 0;
    if (!find_symbol(crash, "__tls_get_addr", &answers.tls_get_addr, NULL))
        answers.tls_get_addr = 0;
    const struct pure_call call = call_of(crash, &answers, 0);
    if (!pure_call(&call, function, &globals) ||
        !memory_read_exact(&crash->reader, globals, &exception, sizeof(exception)) || !exception)
        return 0;
    return exception + CXX_EXCEPTION_HEADER;
}

/* what() is the third virtual function of every class derived from std::exception: behind the two
 * destructors. The classes of <stdexcept> are read, others worked out where what() is simple. */
static bool derives_from_exception(struct crash *crash, uint64_t type_info) {
    enum { DEPTH = 16 };
    char name[512];
    for (int i = 0; i < DEPTH && type_info && cxx_type_name(&crash->reader, type_info, name, sizeof(name));
         i++) {
        if (strcmp(name, "St9exception") == 0)
            return true;
        type_info = cxx_base_type(&crash->reader, type_info);
    }
    return false;
}

static bool what_of(struct crash *crash, uint64_t thread_pointer, uint64_t type_info, uint64_t object,
                    char *ret, size_t size) {
    struct answers answers = {.crash = crash, .thread_pointer = thread_pointer};
    uint64_t vtable, what, text;
    const struct pure_call call = call_of(crash, &answers, object);
    if (derives_from_exception(crash, type_info) &&
        memory_read_exact(&crash->reader, object, &vtable, sizeof(vtable)) &&
        memory_read_exact(&crash->reader, vtable + 16, &what, sizeof(what)) &&
        pure_call(&call, what, &text)) {
        size_t got = memory_read(&crash->reader, text, ret, size - 1);
        ret[got] = 0;
        if (got)
            return true;
    }
    return cxx_exception_text(&crash->reader, type_info, object, ret, size);
}

static bool is_function_on_stack(const struct crash *crash, uint64_t address) {
    const struct crash_thread *thread = &crash->threads[0];
    for (size_t i = 0; i < thread->frame_count; i++) {
        const struct crash_frame *frame = &thread->frames[i];
        if (frame->function && frame->inlined < 0 && frame->function->entry + frame->module->bias == address)
            return true;
    }
    return false;
}

/* A function that may not throw ends in __terminate(handler) of libstdc++, which has no symbol: it is what
 * std::terminate() calls last. */
static bool is_terminating(struct crash *crash) {
    enum { CODE_MOST = 64 };
    uint8_t code[CODE_MOST];
    uint64_t terminate;
    ZydisDecoder decoder;
    ZydisDecodedInstruction instruction;
    const struct loaded_module *module;
    if (is_on_stack(crash, "_ZSt9terminatev"))
        return true;
    if (!find_function(crash, "_ZSt9terminatev", &terminate, &module))
        return false;
    size_t size = memory_read(&crash->reader, terminate, code, sizeof(code));
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    uint64_t last = 0;
    for (size_t at = 0; at < size; at += instruction.length) {
        if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, NULL, code + at, size - at, &instruction)))
            break;
        if (at && instruction.mnemonic == ZYDIS_MNEMONIC_ENDBR64) /* the next function */
            break;
        if (instruction.mnemonic == ZYDIS_MNEMONIC_CALL && instruction.raw.imm[0].is_relative)
            last = terminate + at + instruction.length + instruction.raw.imm[0].value.u;
    }
    return last && is_function_on_stack(crash, last);
}

void crash_exception(struct crash *crash, uint64_t thread_pointer, char **ret_type, char **ret_what) {
    char name[1024], demangled[2048], what[MESSAGE_MOST];
    uint64_t type_info, object;
    if (!is_terminating(crash))
        return;
    uint64_t header = handled_exception(crash, thread_pointer);
    if (!header) {
        free(crash->reason.message);
        crash->reason.message =
            strdup(is_on_stack(crash, "__cxa_pure_virtual") ? "pure virtual method called"
                                                            : "std::terminate() without an active exception");
        return;
    }
    if (!cxx_exception_object(&crash->reader, header, &type_info, &object) ||
        !cxx_type_name(&crash->reader, type_info, name, sizeof(name)))
        return;
    *ret_type = strdup(demangle_type(name + (*name == '*'), demangled, sizeof(demangled)) ? demangled : name);
    if (what_of(crash, thread_pointer, type_info, object, what, sizeof(what)))
        *ret_what = strdup(what);
}

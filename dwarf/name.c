#include "dwarf/name.h"

#include "dwarf/module_private.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

/* A mangled name of a few hundred bytes can unfold into gigabytes (substitutions of substitutions): what is
 * longer than this stays mangled. */
#define DEMANGLED_MAX (32 * 1024)
#define SCOPES_MAX    64

struct output {
    char text[DEMANGLED_MAX];
    size_t length;
    jmp_buf full;
};

/* libiberty has no way for a callback to say "enough". It works on the stack alone when it has a callback, so
 * that leaving it this way loses nothing. */
static void append(const char *text, size_t length, void *context) {
    struct output *output = context;
    if (length > sizeof(output->text) - output->length - 1)
        longjmp(output->full, 1);
    memcpy(output->text + output->length, text, length);
    output->length += length;
}

static bool is_rust(const char *mangled) {
    if (mangled[0] == '_' && mangled[1] == 'R')
        return true;
    /* Legacy: the last component is "17h" and 16 hexadecimal digits. */
    size_t length = strlen(mangled);
    return length > 20 && mangled[length - 1] == 'E' && !strncmp(mangled + length - 20, "17h", 3);
}

static bool demangle_into(struct output *output, const char *mangled, int options) {
    output->length = 0;
    if (setjmp(output->full))
        return false;
    if (is_rust(mangled) && rust_demangle_callback(mangled, options & ~DMGL_VERBOSE, append, output))
        return true;
    output->length = 0;
    return cplus_demangle_v3_callback(mangled, options, append, output) != 0;
}

char *name_demangle(struct arena *arena, const char *mangled, bool parameters, bool *ret_no_memory) {
    static _Thread_local struct output output;
    if (mangled[0] != '_' || (mangled[1] != 'Z' && mangled[1] != 'R'))
        return NULL;
    if (!demangle_into(&output, mangled, DMGL_ANSI | (parameters ? DMGL_PARAMS | DMGL_RET_DROP : 0)) ||
        !output.length)
        return NULL;
    char *text = arena_string(arena, output.text, output.length);
    *ret_no_memory |= !text;
    return text;
}

/* Length of what stands after "operator" up to where the name goes on: "()", "<<", " new", ... */
static size_t operator_length(const char *text) {
    if (!strncmp(text, "()", 2) || !strncmp(text, "[]", 2))
        return 2;
    return strspn(text, "<>=!+-*/%^&|~,");
}

static bool is_word(char letter) {
    return letter == '_' || letter == '$' || (letter >= '0' && letter <= '9') ||
           (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (unsigned char)letter >= 0x80;
}

char *name_base(struct arena *arena, const char *qualified) {
    const char *begin = qualified, *arguments = NULL;
    int depth = 0;
    for (const char *at = qualified; *at;) {
        bool word = is_word(*at) && (at == qualified || !is_word(at[-1]));
        if (word && !strncmp(at, "operator", 8) && !is_word(at[8])) {
            at += 8;
            at += operator_length(at);
            continue;
        }
        if (*at == '<' && depth == 0 && at != begin)
            arguments = at;
        if (strchr("<([{", *at))
            depth++;
        else if (strchr(">)]}", *at) && depth && !(*at == '>' && at > qualified && at[-1] == '-'))
            depth--;
        else if (depth == 0 && at[0] == ':' && at[1] == ':') {
            begin = at + 2;
            arguments = NULL;
            at++;
        }
        at++;
    }
    size_t length = arguments && strncmp(begin, "operator", 8) ? (size_t)(arguments - begin) : strlen(begin);
    return arena_string(arena, begin, length);
}

/* The length of the symbol without suffixes such as .isra.0, .part.1, .cold, .llvm.123. */
static size_t stem_length(const char *symbol) {
    static const char *const suffixes[] = {".isra.", ".part.",     ".constprop.", ".cold",
                                           ".llvm.", ".lto_priv.", ".localalias", ".ltrans"};
    size_t length = strlen(symbol);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        const char *found = strstr(symbol, suffixes[i]);
        if (found && found != symbol && (size_t)(found - symbol) < length)
            length = (size_t)(found - symbol);
    }
    if (symbol[0] == '_' && (symbol[1] == 'Z' || symbol[1] == 'R')) {
        const char *dot = strchr(symbol, '.');
        if (dot && (size_t)(dot - symbol) < length)
            length = (size_t)(dot - symbol);
    }
    return length;
}

bool names_from_symbol(struct arena *arena, const char *symbol, bool display, struct names *ret) {
    bool no_memory = false;
    const char *linkage = arena_string(arena, symbol, strcspn(symbol, "@"));
    const char *stem = linkage ? arena_string(arena, linkage, stem_length(linkage)) : NULL;
    if (!stem)
        return false;
    const char *name = name_demangle(arena, stem, false, &no_memory);
    const char *full = display && name ? name_demangle(arena, stem, true, &no_memory) : NULL;
    *ret = (struct names){.name = name ? name : stem, .linkage = linkage};
    ret->display = full ? full : display ? ret->name : NULL;
    ret->base = name ? name_base(arena, name) : stem;
    return !no_memory && ret->base;
}

static const char *scope_name(struct dwarf_unit *unit, const struct scope *scope) {
    struct die die;
    if (scope->tag == DW_TAG_subprogram || scope->tag == DW_TAG_inlined_subroutine ||
        !die_read(unit, scope->offset, &die))
        return NULL;
    const char *name = die_string(&die, DW_AT_name);
    if (name)
        return name;
    return scope->tag == DW_TAG_namespace ? "(anonymous namespace)" : NULL;
}

/* Name with the scopes that the DIE stands in, the outermost first. */
static char *qualify(struct arena *arena, const struct die *die, const char *name) {
    const struct unit_scan *scan;
    const char *parts[SCOPES_MAX];
    size_t count = 0;
    struct error *err = unit_scan(die->unit, &scan);
    if (err) {
        error_free(err);
        return NULL;
    }
    uint32_t index = unit_scope(scan, die->offset);
    for (; index != SCOPE_NONE && count < SCOPES_MAX; index = scan->scopes[index].parent) {
        const char *part = scope_name(die->unit, &scan->scopes[index]);
        if (part)
            parts[count++] = part;
    }
    char *text = arena_string(arena, name, strlen(name));
    for (size_t i = 0; i < count && text; i++)
        text = arena_printf(arena, "%s::%s", parts[i], text);
    return text;
}

/* The DIE at the end of the chain of origins, which stands where the thing was declared. */
static struct die declaration(const struct die *die) {
    struct die at = *die, next;
    for (unsigned i = 0; i < 8 && die_origin(&at, &next); i++)
        at = next;
    return at;
}

bool names_from_die(struct arena *arena, const struct die *die, bool display, struct names *ret) {
    *ret = (struct names){0};
    const char *linkage = die_string(die, DW_AT_linkage_name);
    if (!linkage)
        linkage = die_string(die, DW_AT_MIPS_linkage_name);
    if (linkage && *linkage) {
        if (!names_from_symbol(arena, linkage, display, ret))
            return false;
        if (strcmp(ret->name, linkage))
            return true;
    }
    const char *name = die_string(die, DW_AT_name);
    if (!name)
        return true;
    struct die declared = declaration(die);
    ret->name = qualify(arena, &declared, name);
    ret->display = ret->name;
    ret->base = ret->name ? name_base(arena, ret->name) : NULL;
    return ret->base != NULL;
}

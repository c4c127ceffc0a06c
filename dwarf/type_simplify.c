/* C++ and Rust names without what nobody writes: arguments that templates have by default, inline namespaces.
 */
#include "dwarf/type_private.h"

#include <stdlib.h>
#include <string.h>

/* Deeper nesting of <> is copied as it is. */
#define NESTING_MAX 64

/* Namespaces that are inline (DWARF does not say so in template arguments, which are text). */
static const char *const inline_namespaces[] = {
    "std::__cxx11::", "std::__1::", "std::__ndk1::", "std::__debug::"};

/* Templates whose trailing arguments have defaults ... */
static const char *const defaulting[] = {
    "std::vector",
    "std::list",
    "std::deque",
    "std::forward_list",
    "std::basic_string",
    "std::basic_string_view",
    "std::map",
    "std::multimap",
    "std::set",
    "std::multiset",
    "std::unordered_map",
    "std::unordered_multimap",
    "std::unordered_set",
    "std::unordered_multiset",
    "std::unique_ptr",
    "alloc::vec::Vec",
    "alloc::boxed::Box",
    "alloc::rc::Rc",
    "alloc::sync::Arc",
    "alloc::collections::vec_deque::VecDeque",
    "alloc::collections::btree::map::BTreeMap",
    "alloc::collections::btree::set::BTreeSet",
    "std::collections::hash::map::HashMap",
    "std::collections::hash::set::HashSet",
};
/* ... and the defaults. */
static const char *const defaults[] = {
    "std::allocator<",
    "std::less<",
    "std::char_traits<",
    "std::hash<",
    "std::equal_to<",
    "std::default_delete<",
    "alloc::alloc::Global",
    "std::hash::random::RandomState",
    "std::collections::hash::map::RandomState",
};

/* Whole names that have another one. */
static const struct {
    const char *full, *plain;
} plain_names[] = {
    {"std::basic_string<char>", "std::string"},
    {"std::basic_string<wchar_t>", "std::wstring"},
    {"std::basic_string_view<char>", "std::string_view"},
    {"std::basic_string_view<wchar_t>", "std::wstring_view"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool begins(const char *text, const char *with) {
    return !strncmp(text, with, strlen(with));
}

/* Copies a name to out, which is as large; the text only shrinks. */
struct simplifier {
    char *out;
    size_t size;
    bool drops[NESTING_MAX];    /* for each open '<': its template has defaults */
    size_t starts[NESTING_MAX]; /* where the name of its template begins in out */
    unsigned depth;
};

static size_t identifier_start(const struct simplifier *state) {
    size_t start = state->size;
    while (start && (is_word(state->out[start - 1]) || state->out[start - 1] == ':'))
        start--;
    return start;
}

static void open_bracket(struct simplifier *state) {
    size_t start = identifier_start(state);
    bool drops = false;
    for (size_t i = 0; i < COUNT(defaulting); i++)
        drops |= strlen(defaulting[i]) == state->size - start &&
                 !memcmp(defaulting[i], state->out + start, state->size - start);
    if (state->depth < NESTING_MAX) {
        state->drops[state->depth] = drops;
        state->starts[state->depth] = start;
    }
    state->depth++;
    state->out[state->size++] = '<';
}

/* "std::basic_string<char>" has just been closed: put its plain name. */
static void shorten(struct simplifier *state, size_t start) {
    for (size_t i = 0; i < COUNT(plain_names); i++) {
        size_t length = strlen(plain_names[i].full);
        if (state->size - start == length && !memcmp(state->out + start, plain_names[i].full, length)) {
            state->size = start + strlen(plain_names[i].plain);
            memcpy(state->out + start, plain_names[i].plain, state->size - start);
        }
    }
}

static void close_bracket(struct simplifier *state) {
    if (state->size && state->out[state->size - 1] == ' ')
        state->size--;
    state->out[state->size++] = '>';
    state->depth--;
    if (state->depth < NESTING_MAX)
        shorten(state, state->starts[state->depth]);
}

/* Length of ", std::less<int>" at text when it is a default argument that may go, else 0. */
static size_t default_argument(const struct simplifier *state, const char *text) {
    if (!state->depth || state->depth > NESTING_MAX || !state->drops[state->depth - 1] || text[0] != ',')
        return 0;
    size_t at = 1 + (text[1] == ' ');
    for (size_t i = 0; i < COUNT(inline_namespaces); i++)
        if (begins(text + at, inline_namespaces[i]) && begins(text + at, "std::__1::"))
            at += strlen("__1::"); /* compared below as if it were std:: */
    const char *name = text + at;
    bool is_default = false;
    for (size_t i = 0; i < COUNT(defaults) && !is_default; i++)
        is_default = begins(name, defaults[i]) || (at > 2 && begins(name, defaults[i] + 5));
    if (!is_default)
        return 0;
    for (unsigned depth = 0; text[at]; at++) {
        depth += text[at] == '<';
        if (!depth && (text[at] == ',' || text[at] == '>' || text[at] == ' '))
            break;
        depth -= text[at] == '>';
    }
    return at;
}

/* Length of an inline namespace at text beyond "std::", else 0. */
static size_t inline_namespace(const char *text) {
    for (size_t i = 0; i < COUNT(inline_namespaces); i++)
        if (begins(text, inline_namespaces[i]))
            return strlen(inline_namespaces[i]);
    return 0;
}

static size_t step(struct simplifier *state, const char *text) {
    size_t skip = default_argument(state, text);
    if (skip)
        return skip;
    if (text[0] == 's' && (!state->size || !is_word(state->out[state->size - 1])) &&
        (skip = inline_namespace(text))) {
        memcpy(state->out + state->size, "std::", 5);
        state->size += 5;
        return skip;
    }
    if (text[0] == '<')
        open_bracket(state);
    else if (text[0] == '>' && state->depth && state->size && state->out[state->size - 1] != '-')
        close_bracket(state);
    else
        state->out[state->size++] = text[0];
    return 1;
}

char *type_simplify_name(const char *name) {
    size_t length = strlen(name);
    bool cut = length > TYPE_NAME_MAX;
    struct simplifier state = {.out = malloc((cut ? TYPE_NAME_MAX : length) + 8)};
    if (!state.out)
        return NULL;
    for (size_t at = 0; at < length && state.size < TYPE_NAME_MAX;)
        at += step(&state, name + at);
    if (cut) {
        memcpy(state.out + state.size, "...", 3);
        state.size += 3;
    }
    state.out[state.size] = '\0';
    return state.out;
}

/* A system call in words, after the manner of strace. */
#include "tracer/constants.h"
#include "tracer/syscall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define ELEMENTS_MOST 16   /* of an array */
#define STRING_MOST   4096 /* whatever the caller asks for: what is read goes through the stack */
#define STRUCT_MOST   512

struct printer {
    const struct syscall_call *call;
    const struct syscall_row *row;
    const struct memory_reader *memory;
    size_t max_string;
    struct buffer *out;
};

static void put(struct buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct buffer *out, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length > 0)
        buffer_put(out, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

const char *signal_name(int signo) {
    const char *name = constants_name("signal", (uint64_t)signo);
    return name ? name : "SIG?";
}

const char *errno_name(int errnum) {
    return constants_name("errno", (uint64_t)errnum);
}

static void put_address(struct buffer *out, uint64_t address) {
    if (address)
        put(out, "0x%" PRIx64, address);
    else
        put(out, "NULL");
}

static void put_hex(struct buffer *out, uint64_t value) {
    put(out, value ? "0x%" PRIx64 : "%" PRIx64, value);
}

static void put_signal(struct buffer *out, int signo) {
    if (signo >= 1 && signo <= 64)
        put(out, "%s", signal_name(signo));
    else
        put(out, "%d", signo);
}

/* Bits and values by name, what is left over in hexadecimal. */
static void put_flags(struct buffer *out, const char *name, uint64_t value) {
    /* An int that was sign-extended on its way. */
    if (value >> 31 == 0x1ffffffffull)
        value = (uint32_t)value;
    const struct constant_table *table = constants_find(name);
    bool any = false;
    for (const struct constant *row = table ? table->rows : NULL; row && row->name; row++) {
        if ((value & row->mask) != row->value || (any && row->value == 0))
            continue;
        put(out, "%s%s", any ? "|" : "", row->name);
        any = true;
        value &= ~row->mask;
        if (!value && row->mask == ~0ull)
            return;
    }
    if (value || !any)
        put(out, any ? "|0x%" PRIx64 : value ? "0x%" PRIx64 : "%" PRIx64, value);
}

static void put_file_mode(struct buffer *out, uint64_t mode) {
    const char *type = constants_name("file_type", mode);
    if (type)
        put(out, "%s|", type);
    put(out, "0%03o", (unsigned)(mode & (type ? 07777 : 0177777)));
}

/* One byte inside quotes; next is the byte after it, or -1: an octal escape must not run into a digit. */
static void put_character(struct buffer *out, uint8_t byte, int next) {
    static const char plain[] = "\"\\\t\n\v\f\r";
    static const char escaped[] = "\"\\tnvfr";
    const char *found = byte ? strchr(plain, byte) : NULL;
    if (found)
        put(out, "\\%c", escaped[found - plain]);
    else if (byte >= ' ' && byte < 0x7f)
        buffer_put_u8(out, byte);
    else
        put(out, next >= '0' && next <= '9' ? "\\%03o" : "\\%o", byte);
}

static void put_quoted(struct buffer *out, const uint8_t *bytes, size_t count, bool cut) {
    buffer_put_u8(out, '"');
    for (size_t i = 0; i < count; i++)
        put_character(out, bytes[i], i + 1 < count ? bytes[i + 1] : -1);
    put(out, cut ? "\"..." : "\"");
}

static size_t string_most(const struct printer *p) {
    return p->max_string < STRING_MOST ? p->max_string : STRING_MOST;
}

static void print_string(const struct printer *p, uint64_t address) {
    uint8_t text[STRING_MOST + 1];
    size_t most = string_most(p);
    size_t got = address ? memory_read(p->memory, address, text, most + 1) : 0;
    const uint8_t *end = memchr(text, 0, got);
    if (!got)
        put_address(p->out, address);
    else if (end)
        put_quoted(p->out, text, (size_t)(end - text), false);
    else
        put_quoted(p->out, text, got < most ? got : most, true);
}

static void print_bytes(const struct printer *p, uint64_t address, uint64_t size) {
    uint8_t bytes[STRING_MOST];
    size_t most = string_most(p);
    size_t wanted = size < most ? (size_t)size : most;
    size_t got = address ? memory_read(p->memory, address, bytes, wanted) : 0;
    if (!address || got < wanted)
        put_address(p->out, address);
    else
        put_quoted(p->out, bytes, got, size > got);
}

static void put_status(struct buffer *out, int status) {
    if (WIFEXITED(status))
        put(out, "{WIFEXITED(s) && WEXITSTATUS(s) == %d}", WEXITSTATUS(status));
    else if (WIFSTOPPED(status))
        put(out, "{WIFSTOPPED(s) && WSTOPSIG(s) == %s}", signal_name(WSTOPSIG(status) & 0x7f));
    else if (WIFCONTINUED(status))
        put(out, "{WIFCONTINUED(s)}");
    else
        put(out, "{WIFSIGNALED(s) && WTERMSIG(s) == %s%s}", signal_name(WTERMSIG(status)),
            WCOREDUMP(status) ? " && WCOREDUMP(s)" : "");
}

/* Whichever is shorter: the signals in the set or those that are not. */
static void put_sigset(struct buffer *out, uint64_t set) {
    bool inverted = __builtin_popcountll(set) > 32;
    if (inverted)
        set = ~set;
    put(out, inverted ? "~[" : "[");
    bool any = false;
    for (int signo = 1; signo <= 64; signo++) {
        if (!(set >> (signo - 1) & 1))
            continue;
        put(out, "%s%s", any ? " " : "", signal_name(signo) + strlen("SIG"));
        any = true;
    }
    put(out, "]");
}

static uint64_t field_value(const struct field *field, const uint8_t *bytes) {
    uint64_t value = 0;
    memcpy(&value, bytes + field->offset, field->size < sizeof(value) ? field->size : sizeof(value));
    if (field->kind == FIELD_SIGNED && field->size == 4)
        value = (uint64_t)(int32_t)value;
    return value;
}

static void put_field(struct buffer *out, const struct field *field, const uint8_t *bytes) {
    uint64_t value = field_value(field, bytes);
    switch (field->kind) {
    case FIELD_SIGNED:
        put(out, "%" PRId64, (int64_t)value);
        break;
    case FIELD_LIMIT:
        if (value == UINT64_MAX) {
            put(out, "RLIM64_INFINITY");
            break;
        }
        /* fallthrough */
    case FIELD_DECIMAL:
        put(out, "%" PRIu64, value);
        break;
    case FIELD_HEX:
        put_hex(out, value);
        break;
    case FIELD_POINTER:
        put_address(out, value);
        break;
    case FIELD_FLAGS:
        put_flags(out, field->constants, value);
        break;
    case FIELD_FILE_MODE:
        put_file_mode(out, value);
        break;
    case FIELD_SIGNAL:
        put_signal(out, (int)value);
        break;
    case FIELD_SIGSET:
        put_sigset(out, value);
        break;
    case FIELD_TEXT:
        put_quoted(out, bytes + field->offset, strnlen((const char *)bytes + field->offset, field->size),
                   false);
        break;
    case FIELD_STATUS:
        put_status(out, (int)value);
        break;
    }
}

static void put_fields(struct buffer *out, const struct struct_table *table, const uint8_t *bytes) {
    if (table->open)
        buffer_put_u8(out, (uint8_t)table->open);
    for (const struct field *field = table->fields; field->name; field++) {
        if (field != table->fields)
            put(out, ", ");
        if (field->name[0])
            put(out, "%s=", field->name);
        put_field(out, field, bytes);
    }
    if (table->close)
        buffer_put_u8(out, (uint8_t)table->close);
}

/* Size of the part of a struct that its table names. */
static size_t fields_size(const struct struct_table *table) {
    size_t size = 0;
    for (const struct field *field = table->fields; field->name; field++) {
        size_t end = (size_t)field->offset + field->size;
        size = end > size ? end : size;
    }
    return size;
}

static void print_struct(const struct printer *p, const char *name, uint64_t address) {
    const struct struct_table *table = structs_find(name);
    uint8_t bytes[STRUCT_MOST];
    if (!address || !table || fields_size(table) > sizeof(bytes) ||
        !memory_read_exact(p->memory, address, bytes, fields_size(table)))
        put_address(p->out, address);
    else
        put_fields(p->out, table, bytes);
}

static void print_array(const struct printer *p, const char *name, uint64_t address, uint64_t count,
                        uint64_t unit) {
    uint8_t probe;
    if (!address || !structs_find(name) || (count && !memory_read_exact(p->memory, address, &probe, 1))) {
        put_address(p->out, address);
        return;
    }
    put(p->out, "[");
    for (uint64_t i = 0; i < count && i < ELEMENTS_MOST; i++) {
        put(p->out, i ? ", " : "");
        print_struct(p, name, address + i * unit);
    }
    put(p->out, count > ELEMENTS_MOST ? ", ...]" : "]");
}

static void print_strings(const struct printer *p, uint64_t address) {
    uint64_t string;
    if (!address || !memory_read_exact(p->memory, address, &string, sizeof(string))) {
        put_address(p->out, address);
        return;
    }
    put(p->out, "[");
    for (unsigned i = 0; i < ELEMENTS_MOST; i++) {
        if (!memory_read_exact(p->memory, address + 8 * i, &string, sizeof(string)) || !string) {
            put(p->out, "]");
            return;
        }
        put(p->out, i ? ", " : "");
        print_string(p, string);
    }
    put(p->out, ", ...]");
}

/* An array of struct iovec of which `total` bytes matter. */
static void print_iovecs(const struct printer *p, uint64_t address, uint64_t count, uint64_t total) {
    uint64_t iov[2]; /* base, length */
    if (!address || !memory_read_exact(p->memory, address, iov, count ? sizeof(iov) : 0)) {
        put_address(p->out, address);
        return;
    }
    put(p->out, "[");
    for (uint64_t i = 0; i < count && i < ELEMENTS_MOST; i++) {
        if (!memory_read_exact(p->memory, address + i * sizeof(iov), iov, sizeof(iov)))
            break;
        uint64_t filled = iov[1] < total ? iov[1] : total;
        put(p->out, "%s{iov_base=", i ? ", " : "");
        print_bytes(p, iov[0], filled);
        put(p->out, ", iov_len=%" PRIu64 "}", iov[1]);
        total -= filled;
    }
    put(p->out, count > ELEMENTS_MOST ? ", ...]" : "]");
}

static void put_unix_address(const struct printer *p, const struct sockaddr_un *un, size_t size) {
    size_t length = size - offsetof(struct sockaddr_un, sun_path);
    if (!length) {
        put(p->out, "{sa_family=AF_UNIX}");
        return;
    }
    const char *path = un->sun_path;
    bool abstract = !path[0]; /* a name that is no path: its NUL is printed as @ */
    put(p->out, "{sa_family=AF_UNIX, sun_path=%s", abstract ? "@" : "");
    put_quoted(p->out, (const uint8_t *)path + abstract, abstract ? length - 1 : strnlen(path, length),
               false);
    put(p->out, "}");
}

static void print_sockaddr(const struct printer *p, uint64_t address, uint64_t size) {
    union {
        struct sockaddr_storage storage;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
    char text[INET6_ADDRSTRLEN] = "";
    memset(&u, 0, sizeof(u));
    size = size < sizeof(u) ? size : sizeof(u);
    if (!address || size < 2 || !memory_read_exact(p->memory, address, &u, size)) {
        put_address(p->out, address);
        return;
    }
    switch (u.storage.ss_family) {
    case AF_UNIX:
        put_unix_address(p, &u.un, size);
        break;
    case AF_INET:
        inet_ntop(AF_INET, &u.in.sin_addr, text, sizeof(text));
        put(p->out, "{sa_family=AF_INET, sin_port=htons(%u), sin_addr=inet_addr(\"%s\")}",
            ntohs(u.in.sin_port), text);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &u.in6.sin6_addr, text, sizeof(text));
        put(p->out, "{sa_family=AF_INET6, sin6_port=htons(%u), sin6_addr=\"%s\"}", ntohs(u.in6.sin6_port),
            text);
        break;
    default:
        put(p->out, "{sa_family=");
        put_flags(p->out, "address_family", u.storage.ss_family);
        put(p->out, ", ...}");
    }
}

static void print_message(const struct printer *p, uint64_t address, uint64_t total) {
    struct msghdr header;
    if (!address || !memory_read_exact(p->memory, address, &header, sizeof(header))) {
        put_address(p->out, address);
        return;
    }
    put(p->out, "{msg_name=");
    print_sockaddr(p, (uint64_t)header.msg_name, header.msg_namelen);
    put(p->out, ", msg_namelen=%u, msg_iov=", header.msg_namelen);
    print_iovecs(p, (uint64_t)header.msg_iov, header.msg_iovlen, total);
    put(p->out, ", msg_iovlen=%zu, msg_controllen=%zu, msg_flags=", header.msg_iovlen, header.msg_controllen);
    put_flags(p->out, "msg", (uint32_t)header.msg_flags);
    put(p->out, "}");
}

/* As many of a vector of struct mmsghdr as the result says. */
static void print_messages(const struct printer *p, uint64_t address) {
    uint64_t count = syscall_failed(p->call->result) ? 0 : (uint64_t)p->call->result;
    struct mmsghdr message;
    if (!count || !memory_read_exact(p->memory, address, &message, sizeof(message))) {
        put_address(p->out, address);
        return;
    }
    put(p->out, "[");
    for (uint64_t i = 0; i < count && i < ELEMENTS_MOST; i++) {
        uint64_t at = address + i * sizeof(message);
        if (!memory_read_exact(p->memory, at, &message, sizeof(message)))
            break;
        put(p->out, "%s{msg_hdr=", i ? ", " : "");
        print_message(p, at, message.msg_len);
        put(p->out, ", msg_len=%u}", message.msg_len);
    }
    put(p->out, count > ELEMENTS_MOST ? ", ...]" : "]");
}

static void print_fdset(const struct printer *p, uint64_t address, int count) {
    uint64_t words[1024 / 64] = {0};
    if (count < 0 || count > 1024)
        count = 1024;
    size_t size = ((size_t)count + 63) / 64 * 8;
    if (!address || !memory_read_exact(p->memory, address, words, size)) {
        put_address(p->out, address);
        return;
    }
    put(p->out, "[");
    unsigned shown = 0;
    for (int fd = 0; fd < count; fd++) {
        if (!(words[fd / 64] >> (fd % 64) & 1))
            continue;
        if (shown == 2 * ELEMENTS_MOST) {
            put(p->out, " ...");
            break;
        }
        put(p->out, shown++ ? " %d" : "%d", fd);
    }
    put(p->out, "]");
}

/* The name of a request, or its number. */
static bool print_request(const struct printer *p, const char *kind, uint64_t value) {
    struct request request;
    bool found = !strcmp(kind, "ioctl")   ? ioctl_find(value, &request)
                 : !strcmp(kind, "fcntl") ? fcntl_find(value, &request)
                 : !strcmp(kind, "prctl") ? prctl_find(value, &request)
                                          : false;
    if (!found || !request.name)
        return false;
    put(p->out, "%s", request.name);
    return true;
}

static void print_request_argument(const struct printer *p, const struct request *request, uint64_t value) {
    bool written_only = request->direction == ARG_OUT;
    if (request->direction == ARG_VALUE)
        put_hex(p->out, value);
    else if (written_only && syscall_failed(p->call->result))
        put_address(p->out, value);
    else
        print_struct(p, request->constants, value);
}

static void print_fcntl_argument(const struct printer *p, const struct request *request, uint64_t value) {
    switch (request->number) {
    case 2: /* F_SETFD */
        put_flags(p->out, "fd_cloexec", value);
        break;
    case 4: /* F_SETFL */
        put_flags(p->out, "open", value);
        break;
    case 0:    /* F_DUPFD */
    case 1030: /* F_DUPFD_CLOEXEC */
        put(p->out, "%d", (int)value);
        break;
    default:
        print_request_argument(p, request, value);
    }
}

/* The argument whose shape another argument, the request, decides. */
static void print_by_request(const struct printer *p, enum arg_type type, uint64_t value) {
    struct request request;
    const uint64_t *args = p->call->args;
    if (type == SHAPE_IOCTL && ioctl_find(args[1], &request))
        print_request_argument(p, &request, value);
    else if (type == SHAPE_FCNTL && fcntl_find(args[1], &request))
        print_fcntl_argument(p, &request, value);
    else if (type == SHAPE_PRCTL && prctl_find(args[0], &request))
        print_request_argument(p, &request, value);
    else
        put_hex(p->out, value);
}

/* How many bytes of an argument there are to show. */
static uint64_t shown_size(const struct printer *p, const struct syscall_arg *arg) {
    const uint64_t *args = p->call->args;
    uint64_t result = syscall_failed(p->call->result) ? 0 : (uint64_t)p->call->result;
    uint32_t length = 0;
    switch (arg->rule) {
    case SIZE_FIXED:
        return arg->unit;
    case SIZE_RESULT:
        return result < args[arg->argument] ? result : args[arg->argument];
    case SIZE_ARG:
        return args[arg->argument];
    case SIZE_LENGTH:
        if (!memory_read_exact(p->memory, args[arg->argument], &length, sizeof(length)))
            return 0;
        return length;
    default:
        return 0;
    }
}

static void print_pointer(const struct printer *p, const struct syscall_arg *arg, unsigned index) {
    uint64_t value = p->call->args[index];
    uint64_t next = index + 1 < SYSCALL_ARGS ? p->call->args[index + 1] : 0;
    switch (arg->type) {
    case SHAPE_PATH:
    case SHAPE_STRING:
        print_string(p, value);
        break;
    case SHAPE_STRINGS:
        print_strings(p, value);
        break;
    case SHAPE_BYTES:
        print_bytes(p, value, shown_size(p, arg));
        break;
    case SHAPE_STRUCT:
        if (arg->rule == SIZE_RESULT)
            print_array(p, arg->constants, value, shown_size(p, arg), arg->unit);
        else
            print_struct(p, arg->constants, value);
        break;
    case SHAPE_IOVEC:
        print_iovecs(p, value, next, arg->direction == ARG_IN ? UINT64_MAX : (uint64_t)p->call->result);
        break;
    case SHAPE_MSGHDR:
        print_message(p, value, arg->direction == ARG_IN ? UINT64_MAX : (uint64_t)p->call->result);
        break;
    case SHAPE_MMSGHDR:
        print_messages(p, value);
        break;
    case SHAPE_SOCKADDR:
        print_sockaddr(p, value, shown_size(p, arg));
        break;
    case SHAPE_FDSET:
        print_fdset(p, value, (int)p->call->args[0]);
        break;
    case SHAPE_POLLFDS:
        print_array(p, "pollfd", value, shown_size(p, arg), 8);
        break;
    default:
        put_address(p->out, value);
    }
}

static void print_value(const struct printer *p, const struct syscall_arg *arg, uint64_t value) {
    switch (arg->type) {
    case SHAPE_LONG:
        put(p->out, "%" PRId64, (int64_t)value);
        break;
    case SHAPE_UINT:
        put(p->out, "%" PRIu64, value);
        break;
    case SHAPE_HEX:
        put_hex(p->out, value);
        break;
    case SHAPE_ADDRESS:
        put_address(p->out, value);
        break;
    case SHAPE_DIRFD:
        if ((int32_t)value == -100)
            put(p->out, "AT_FDCWD");
        else
            put(p->out, "%d", (int32_t)value);
        break;
    case SHAPE_MODE:
        put_file_mode(p->out, value & 0177777);
        break;
    case SHAPE_SIGNAL:
        put_signal(p->out, (int)value);
        break;
    case SHAPE_FLAGS:
        if (!print_request(p, arg->constants, value))
            put_flags(p->out, arg->constants, value);
        break;
    default: /* SHAPE_INT, SHAPE_FD, SHAPE_PID */
        put(p->out, "%d", (int32_t)value);
    }
}

static void print_argument(const struct printer *p, unsigned index) {
    const struct syscall_arg *arg = &p->row->args[index];
    uint64_t value = p->call->args[index];
    /* What a failed call would have written is not there. Timeouts and restarted sleeps are the same to us.
     */
    bool absent = arg->direction == ARG_OUT && syscall_failed(p->call->result);
    if (arg->type == SHAPE_IOCTL || arg->type == SHAPE_FCNTL || arg->type == SHAPE_PRCTL)
        print_by_request(p, arg->type, value);
    else if (arg->direction == ARG_VALUE)
        print_value(p, arg, value);
    else if (absent)
        put_address(p->out, value);
    else
        print_pointer(p, arg, index);
}

/* How many arguments this call really has: open(2) and fcntl(2) take one more or fewer, prctl(2) as it likes.
 */
static unsigned argument_count(const struct printer *p) {
    const uint64_t *args = p->call->args;
    unsigned count = p->row->arg_count;
    struct request request;
    for (unsigned i = 1; i < count; i++) {
        const struct syscall_arg *before = &p->row->args[i - 1];
        bool creates = args[i - 1] & (0100 | 020000000); /* O_CREAT, O_TMPFILE */
        if (p->row->args[i].type == SHAPE_MODE && before->constants && !strcmp(before->constants, "open") &&
            !creates)
            return i;
    }
    if (count > 2 && p->row->args[2].type == SHAPE_FCNTL && fcntl_find(args[1], &request) &&
        request.direction == ARG_VALUE && !strncmp(request.name, "F_GET", strlen("F_GET")))
        return 2;
    if (count > 1 && p->row->args[1].type == SHAPE_PRCTL) {
        while (count > 1 && !args[count - 1])
            count--;
    }
    return count;
}

static void print_result(const struct printer *p) {
    int64_t result = p->call->result;
    enum syscall_handler handler = p->row ? p->row->handler : HANDLER_PLAIN;
    const char *name;
    switch (result) {
    case -512:
        put(p->out, " = ? ERESTARTSYS");
        return;
    case -513:
        put(p->out, " = ? ERESTARTNOINTR");
        return;
    case -514:
        put(p->out, " = ? ERESTARTNOHAND");
        return;
    case -516:
        put(p->out, " = ? ERESTART_RESTARTBLOCK");
        return;
    }
    if (handler == HANDLER_EXIT) {
        put(p->out, " = ?");
    } else if (syscall_failed(result)) {
        name = errno_name((int)-result);
        if (name)
            put(p->out, " = -1 %s (%s)", name, strerror((int)-result));
        else
            put(p->out, " = %" PRId64, result);
    } else if (handler == HANDLER_MMAP || handler == HANDLER_MREMAP || handler == HANDLER_BRK ||
               handler == HANDLER_SHMAT) {
        put(p->out, " = ");
        put_hex(p->out, (uint64_t)result);
    } else {
        put(p->out, " = %" PRId64, result);
    }
}

void syscall_print(const struct syscall_call *call, const struct memory_reader *memory, size_t max_string,
                   struct buffer *ret) {
    const struct printer p = {call, syscall_find(call->number), memory, max_string, ret};
    if (p.row) {
        put(ret, "%s(", p.row->name);
        unsigned count = argument_count(&p);
        for (unsigned i = 0; i < count; i++) {
            put(ret, i ? ", " : "");
            print_argument(&p, i);
        }
    } else {
        put(ret, "syscall_0x%" PRIx64 "(", call->number);
        for (unsigned i = 0; i < SYSCALL_ARGS; i++) {
            put(ret, i ? ", " : "");
            put_hex(ret, call->args[i]);
        }
    }
    put(ret, ")");
    print_result(&p);
    /* NUL-terminated, the NUL not counted. */
    if (buffer_reserve(ret, 1))
        ret->data[ret->size] = 0;
}

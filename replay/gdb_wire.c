#include "replay/gdb_wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOISE_MOST 65536

void gdb_wire_init(struct gdb_wire *wire, int in, int out) {
    memset(wire, 0, sizeof(*wire));
    wire->in = in;
    wire->out = out;
}

void gdb_wire_deinit(struct gdb_wire *wire) {
    buffer_deinit(&wire->packet);
    buffer_deinit(&wire->sent);
}

/* ---- parsing ---- */

static int digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

static enum gdb_input outside(struct gdb_wire *wire, uint8_t byte) {
    switch (byte) {
    case '$':
        buffer_clear(&wire->packet);
        wire->sum = 0;
        wire->noise = 0;
        wire->state = GDB_INSIDE;
        return GDB_MORE;
    case 3:
        return GDB_INTERRUPT;
    case '-':
        return wire->no_acks ? GDB_MORE : GDB_AGAIN;
    case '+':
        return GDB_MORE;
    default:
        return ++wire->noise > NOISE_MOST ? GDB_NONSENSE : GDB_MORE;
    }
}

static enum gdb_input inside(struct gdb_wire *wire, uint8_t byte) {
    if (byte == '$') /* the one before was cut off */
        return outside(wire, byte);
    if (byte == '#') {
        wire->state = GDB_SUM_HIGH;
        return GDB_MORE;
    }
    wire->sum = (uint8_t)(wire->sum + byte);
    if (byte == '}' && wire->state == GDB_INSIDE) {
        wire->state = GDB_ESCAPED;
        return GDB_MORE;
    }
    buffer_put_u8(&wire->packet, wire->state == GDB_ESCAPED ? byte ^ 0x20 : byte);
    wire->state = GDB_INSIDE;
    return wire->packet.failed || wire->packet.size > GDB_PACKET_MOST ? GDB_NONSENSE : GDB_MORE;
}

static enum gdb_input complete(struct gdb_wire *wire, uint8_t byte) {
    int value = digit(byte);
    wire->state = GDB_OUTSIDE;
    if (!wire->no_acks && (value < 0 || wire->told_sum > 15 || (wire->told_sum << 4 | value) != wire->sum))
        return GDB_DAMAGED;
    buffer_put_u8(&wire->packet, 0);
    if (wire->packet.failed)
        return GDB_NONSENSE;
    wire->packet.size--;
    return GDB_PACKET;
}

enum gdb_input gdb_wire_byte(struct gdb_wire *wire, uint8_t byte) {
    switch (wire->state) {
    case GDB_OUTSIDE:
        return outside(wire, byte);
    case GDB_INSIDE:
    case GDB_ESCAPED:
        return inside(wire, byte);
    case GDB_SUM_HIGH:
        wire->told_sum = (uint8_t)digit(byte);
        wire->state = GDB_SUM_LOW;
        return GDB_MORE;
    case GDB_SUM_LOW:
        return complete(wire, byte);
    }
    return GDB_NONSENSE;
}

/* ---- the stream ---- */

static struct error *write_all(struct gdb_wire *wire, const uint8_t *bytes, size_t size) {
    for (size_t done = 0; done < size && !wire->gone;) {
        ssize_t put = send(wire->out, bytes + done, size - done, MSG_NOSIGNAL);
        if (put < 0 && errno == ENOTSOCK)
            put = write(wire->out, bytes + done, size - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            wire->gone = true;
        else
            done += (size_t)put;
    }
    return NULL;
}

/* Some more bytes, when there are none; waits unless `now`. */
static void fill(struct gdb_wire *wire, bool now) {
    struct pollfd poll_in = {.fd = wire->in, .events = POLLIN};
    if (wire->next < wire->end || wire->gone || (now && poll(&poll_in, 1, 0) <= 0))
        return;
    ssize_t got;
    do {
        got = read(wire->in, wire->bytes, sizeof(wire->bytes));
    } while (got < 0 && errno == EINTR);
    wire->next = 0;
    wire->end = got > 0 ? (size_t)got : 0;
    wire->gone = got <= 0;
}

static struct error *acknowledge(struct gdb_wire *wire, char how) {
    return wire->no_acks ? NULL : write_all(wire, (const uint8_t *)&how, 1);
}

struct error *gdb_wire_receive(struct gdb_wire *wire, bool *ret_interrupt) {
    *ret_interrupt = false;
    for (;;) {
        fill(wire, false);
        if (wire->gone)
            return NULL;
        switch (gdb_wire_byte(wire, wire->bytes[wire->next++])) {
        case GDB_MORE:
            break;
        case GDB_PACKET:
            return acknowledge(wire, '+');
        case GDB_INTERRUPT:
            *ret_interrupt = true;
            return NULL;
        case GDB_AGAIN:
            TRY(write_all(wire, wire->sent.data, wire->sent.size));
            break;
        case GDB_DAMAGED:
            TRY(acknowledge(wire, '-'));
            break;
        case GDB_NONSENSE:
            return error_new(ERROR_BAD_DATA, "debugger: does not speak gdb's remote protocol");
        }
    }
}

bool gdb_wire_interrupted(struct gdb_wire *wire) {
    fill(wire, true);
    while (wire->next < wire->end && wire->state == GDB_OUTSIDE &&
           (wire->bytes[wire->next] == '+' || wire->bytes[wire->next] == 3))
        if (wire->bytes[wire->next++] == 3)
            return true;
    return wire->gone;
}

struct error *gdb_wire_send(struct gdb_wire *wire, const void *data, size_t size) {
    static const char hex[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    struct buffer *sent = &wire->sent;
    uint8_t sum = 0;
    buffer_clear(sent);
    buffer_put_u8(sent, '$');
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = bytes[i];
        if (byte == '$' || byte == '#' || byte == '}' || byte == '*') {
            sum = (uint8_t)(sum + '}');
            buffer_put_u8(sent, '}');
            byte ^= 0x20;
        }
        sum = (uint8_t)(sum + byte);
        buffer_put_u8(sent, byte);
    }
    buffer_put_u8(sent, '#');
    buffer_put_u8(sent, (uint8_t)hex[sum >> 4]);
    buffer_put_u8(sent, (uint8_t)hex[sum & 15]);
    TRY(buffer_check(sent));
    return write_all(wire, sent->data, sent->size);
}

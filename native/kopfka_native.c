/* The hottest function of Kopfka's broker in C, with a twin in Python that says what it does, and the same tests:
 *
 *   take    kopfka_wire.repeated_produce.take_in_python
 *
 * It keeps no state and decides nothing: whatever is not plain is None, what went wrong with a write is told and not
 * mended, and both are for the twin's callers. Built against Python's stable ABI: one wheel for 3.11 and all later ones.
 */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define VERSION 1 /* as in kopfka_wire.native */

/* a record batch, format 2: where its fields are */
enum { LENGTH = 8, EPOCH = 12, MAGIC = 16, CRC = 17, ATTRIBUTES = 21, DELTA = 23, MAX_TIMESTAMP = 35, PRODUCER = 43,
       PRODUCER_EPOCH = 51, SEQUENCE = 53, COUNT = 57, HEADER_SIZE = 61, LOG_OVERHEAD = 12, LAST_CODEC = 4, NO_PRODUCER = -1 };
/* a request: where its correlation id is, and what comes behind that */
enum { BEFORE_CORRELATION = 4, AFTER_CORRELATION = 8 };

/* bytes whose write lets other threads work meanwhile */
enum { LONG_WRITE = 16384 };

static PyObject *crc32c; /* kopfka_wire.checksum.crc32c */

static int64_t get(const uint8_t *from, int bytes)
{
    uint64_t value = from[0] & 0x80 ? UINT64_MAX : 0; /* signed, as all numbers of the protocol are */
    for (int at = 0; at < bytes; at++)
        value = value << 8 | from[at];
    return (int64_t)value;
}

static uint8_t *put(uint8_t *to, int64_t value, int bytes)
{
    for (int at = bytes - 1; at >= 0; at--, value >>= 8)
        to[at] = (uint8_t)value;
    return to + bytes;
}

/* Find the size of the records that stands at *at, and move *at behind it; -1 where there is none before `end`. */
static int64_t records_size(const uint8_t *frame, Py_ssize_t *at, Py_ssize_t end, int compact)
{
    if (!compact) {
        if (end < *at + 4)
            return -1;
        *at += 4;
        return get(frame + *at - 4, 4);
    }
    uint64_t size = 0;
    for (int shift = 0; *at < end && shift <= 28; shift += 7) {
        uint8_t byte = frame[(*at)++];
        size |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return (int64_t)size - 1;
    }
    return -1;
}

static int is_plain(const uint8_t *batch, int64_t size, int64_t latest)
{
    int64_t delta = get(batch + DELTA, 4), attributes = get(batch + ATTRIBUTES, 2);
    return get(batch + MAGIC, 1) == 2 && get(batch + LENGTH, 4) == size - LOG_OVERHEAD && get(batch, 8) >= 0 && delta >= 0
        && get(batch + COUNT, 4) == delta + 1 && attributes >= 0 && attributes <= LAST_CODEC
        && get(batch + MAX_TIMESTAMP, 8) <= latest;
}

/* 1 where the checksum is right, 0 where it is not, -1 with an exception set. */
static int is_whole(const uint8_t *batch, int64_t size)
{
    PyObject *covered = PyMemoryView_FromMemory((char *)batch + ATTRIBUTES, (Py_ssize_t)size - ATTRIBUTES, PyBUF_READ);
    PyObject *sum = covered ? PyObject_CallFunctionObjArgs(crc32c, covered, NULL) : NULL;
    Py_XDECREF(covered);
    if (!sum)
        return -1;
    unsigned long found = PyLong_AsUnsignedLong(sum);
    Py_DECREF(sum);
    if (PyErr_Occurred())
        return -1;
    return (uint32_t)found == (uint32_t)get(batch + CRC, 4);
}

/* Write a batch; returns what pwrite returns, which is not `size` where the disk is full or failed. */
static int64_t written(int descriptor, const uint8_t *batch, int64_t size, int64_t position)
{
    int64_t done;
    if (size < LONG_WRITE)
        return pwrite(descriptor, batch, (size_t)size, (off_t)position);
    Py_BEGIN_ALLOW_THREADS
    done = pwrite(descriptor, batch, (size_t)size, (off_t)position);
    Py_END_ALLOW_THREADS
    return done;
}

static PyObject *take(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    (void)module;
    if (count != 11 || !PyByteArray_Check(given[0]) || !PyTuple_Check(given[1]) || PyTuple_Size(given[1]) != 5) {
        PyErr_SetString(PyExc_TypeError, "take(bytearray, Outline, int, int, int, int, int, int, int, int, int)");
        return NULL;
    }
    char *tail, *before, *after;
    Py_ssize_t tail_size, before_size, after_size, body_size = PyBytes_Size(PyTuple_GetItem(given[1], 1));
    if (body_size < 0 || PyBytes_AsStringAndSize(PyTuple_GetItem(given[1], 2), &tail, &tail_size) < 0
        || PyBytes_AsStringAndSize(PyTuple_GetItem(given[1], 3), &before, &before_size) < 0
        || PyBytes_AsStringAndSize(PyTuple_GetItem(given[1], 4), &after, &after_size) < 0)
        return NULL;
    int64_t first = PyLong_AsLongLong(given[2]), epoch = PyLong_AsLongLong(given[3]), latest = PyLong_AsLongLong(given[4]);
    int64_t log_start = PyLong_AsLongLong(given[5]), largest = PyLong_AsLongLong(given[6]);
    int64_t descriptor = PyLong_AsLongLong(given[7]), position = PyLong_AsLongLong(given[8]);
    int64_t newest = PyLong_AsLongLong(given[9]), most = PyLong_AsLongLong(given[10]);
    if (PyErr_Occurred())
        return NULL;

    uint8_t *frame = (uint8_t *)PyByteArray_AsString(given[0]);
    Py_ssize_t end = PyByteArray_Size(given[0]) - tail_size, start = AFTER_CORRELATION + body_size;
    if (start > end)
        Py_RETURN_NONE;
    int64_t size = records_size(frame, &start, end, tail_size > 0);
    if (size < HEADER_SIZE || size > largest || size != (int64_t)(end - start) || memcmp(frame + end, tail, (size_t)tail_size))
        Py_RETURN_NONE;
    uint8_t *batch = frame + start;
    if (!is_plain(batch, size, latest))
        Py_RETURN_NONE;
    int whole = is_whole(batch, size);
    if (whole < 0)
        return NULL;
    if (!whole)
        Py_RETURN_NONE;

    Py_ssize_t header_size = tail_size ? 5 : 4, length = header_size + before_size + 24 + after_size;
    PyObject *answer = PyBytes_FromStringAndSize(NULL, 4 + length);
    if (!answer)
        return NULL;
    uint8_t *to = put((uint8_t *)PyBytes_AsString(answer), length, 4);
    memcpy(to, frame + BEFORE_CORRELATION, 4);
    to += 4;
    if (tail_size)
        *to++ = 0; /* the header has tagged fields, and none */
    memcpy(to, before, (size_t)before_size);
    to = put(put(put(to + before_size, first, 8), -1, 8), log_start, 8); /* offset, no time of append, log start */
    memcpy(to, after, (size_t)after_size);
    put(batch, first, 8);
    put(batch + EPOCH, epoch, 4);
    int64_t delta = get(batch + DELTA, 4), max_timestamp = get(batch + MAX_TIMESTAMP, 8);
    int64_t producer = get(batch + PRODUCER, 8), done = 0;
    if (producer == NO_PRODUCER && max_timestamp >= 0 && max_timestamp <= newest && delta <= most)
        done = written((int)descriptor, batch, size, position);
    return Py_BuildValue("nL(LLLLL)NL", start, (long long)size, (long long)delta, (long long)max_timestamp,
                         (long long)producer, (long long)get(batch + PRODUCER_EPOCH, 2),
                         (long long)get(batch + SEQUENCE, 4), answer, (long long)done);
}

static PyMethodDef methods[] = {
    {"take", (PyCFunction)(void (*)(void))take, METH_FASTCALL, "Twin of kopfka_wire.repeated_produce.take_in_python."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "kopfka_native", "The hottest functions of Kopfka's broker in C.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_kopfka_native(void)
{
    PyObject *checksum = PyImport_ImportModule("kopfka_wire.checksum");
    if (!checksum)
        return NULL;
    crc32c = PyObject_GetAttrString(checksum, "crc32c");
    Py_DECREF(checksum);
    PyObject *module = crc32c ? PyModule_Create(&definition) : NULL;
    if (!module || PyModule_AddIntConstant(module, "VERSION", VERSION) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}

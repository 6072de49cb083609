// A Python module that loses memory on purpose: raw, Python's own, and objects whose references are not given back.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>

struct Pair {
  void* other;
  char data[40];
};

static PyObject* lose_raw(PyObject* self, PyObject* arguments) {
  // The second is lost with the first.
  struct Pair* pair = malloc(sizeof *pair);
  pair->other = malloc(1000);
  Py_RETURN_NONE;
}

static PyObject* lose_memory(PyObject* self, PyObject* arguments) {
  PyMem_Malloc(72);
  PyObject_Malloc(200);
  PyObject_Calloc(3, 1000);  // more than pymalloc's blocks hold
  Py_RETURN_NONE;
}

static PyObject* lose_object(PyObject* self, PyObject* arguments) {
  PyBytes_FromStringAndSize(NULL, 100);  // 133 bytes with its head
  Py_RETURN_NONE;
}

static PyObject* lose_reference(PyObject* self, PyObject* object) {
  Py_INCREF(object);
  Py_RETURN_NONE;
}

// Keeps what it is given, as modules do.
static PyObject* kept;
static PyObject* keep(PyObject* self, PyObject* object) {
  Py_INCREF(object);
  kept = object;
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"lose_raw", lose_raw, METH_NOARGS, ""},
    {"lose_memory", lose_memory, METH_NOARGS, ""},
    {"lose_object", lose_object, METH_NOARGS, ""},
    {"lose_reference", lose_reference, METH_O, ""},
    {"keep", keep, METH_O, ""},
    {NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "leaky_extension", NULL, -1, methods};

PyMODINIT_FUNC PyInit_leaky_extension(void) {
  return PyModule_Create(&module);
}

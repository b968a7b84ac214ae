/*
 * The kernel as a Node-API addon (version 8): targets() names what this processor runs, and bind(target, memory) gives the
 * functions of src/kernel over a memory: pointers are byte offsets into it, as they are there.
 */
#define NAPI_VERSION 8
#include <node_api.h>
#include <stdlib.h>

#include "cpu.h"
#include "kernel.h"
#include "pages.h"

/* A kernel and the memory that its functions work on. */
typedef struct {
  const Kernel *kernel;
  char *base;
} Bound;

enum { MAX_ARGUMENTS = 18 };

/* A call's arguments; missing ones are undefined and count as 0. */
typedef struct {
  napi_env env;
  napi_value values[MAX_ARGUMENTS];
  const Bound *bound;
} Arguments;

static Arguments argumentsOf(napi_env env, napi_callback_info info) {
  Arguments own = {.env = env};
  size_t count = MAX_ARGUMENTS;
  void *data;
  napi_get_cb_info(env, info, &count, own.values, NULL, &data);
  own.bound = data;
  return own;
}

static double number(const Arguments *own, int k) {
  double value = 0;
  napi_get_value_double(own->env, own->values[k], &value);
  return value;
}

/* As WebAssembly takes an i32: addresses above 2 GiB may come as negative numbers. */
static uint32_t word(const Arguments *own, int k) { return (uint32_t)(int64_t)number(own, k); }

static char *address(const Arguments *own, int k) { return own->bound->base + word(own, k); }

static napi_value run(napi_env env, napi_callback_info info) {
  const Arguments own = argumentsOf(env, info);
  bool accumulate = false;
  napi_get_value_bool(env, own.values[8], &accumulate);
  const Run call = {
      .base = own.bound->base,
      .list = address(&own, 0),
      .operations = (int32_t)word(&own, 1),
      .weights = address(&own, 2),
      .gradient = address(&own, 3),
      .samples = address(&own, 4),
      .targets = address(&own, 5),
      .count = (int32_t)word(&own, 6),
      .kept = (int32_t)word(&own, 7),
      .accumulate = accumulate,
  };
  if (!own.bound->kernel->run(&call)) napi_throw_range_error(env, NULL, "The list has an unknown operation.");
  return NULL;
}

static napi_value add(napi_env env, napi_callback_info info) {
  const Arguments own = argumentsOf(env, info);
  own.bound->kernel->add(address(&own, 0), address(&own, 1), address(&own, 2), (int32_t)word(&own, 3));
  return NULL;
}

static napi_value meanAndSquares(napi_env env, napi_callback_info info) {
  const Arguments own = argumentsOf(env, info);
  const double squares = own.bound->kernel->meanAndSquares(address(&own, 0), address(&own, 1), (int32_t)word(&own, 2),
                                                           (float)number(&own, 3));
  napi_value result;
  napi_create_double(env, squares, &result);
  return result;
}

static napi_value sgd(napi_env env, napi_callback_info info) {
  const Arguments own = argumentsOf(env, info);
  own.bound->kernel->sgd(address(&own, 0), address(&own, 1), address(&own, 2), address(&own, 3), address(&own, 4),
                         (int32_t)word(&own, 5), (float)number(&own, 6), (float)number(&own, 7), (float)number(&own, 8),
                         (float)number(&own, 9));
  return NULL;
}

static napi_value adam(napi_env env, napi_callback_info info) {
  const Arguments own = argumentsOf(env, info);
  const AdamScalars scalars = {
      (float)number(&own, 8),  (float)number(&own, 9),  (float)number(&own, 10), (float)number(&own, 11),
      (float)number(&own, 12), (float)number(&own, 13), (float)number(&own, 14), (float)number(&own, 15),
      (float)number(&own, 16), (float)number(&own, 17),
  };
  own.bound->kernel->adam(address(&own, 0), address(&own, 1), address(&own, 2), address(&own, 3), address(&own, 4),
                          address(&own, 5), address(&own, 6), (int32_t)word(&own, 7), scalars);
  return NULL;
}

static napi_value follow(napi_env env, napi_callback_info info) {
  const Arguments own = argumentsOf(env, info);
  own.bound->kernel->follow(address(&own, 0), address(&own, 1), address(&own, 2), (int32_t)word(&own, 3),
                            (float)number(&own, 4));
  return NULL;
}

static const struct {
  const char *name;
  napi_callback call;
} FUNCTIONS[] = {{"run", run}, {"add", add},   {"meanAndSquares", meanAndSquares},
                 {"sgd", sgd}, {"adam", adam}, {"follow", follow}};

static void release(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  free(data);
}

static napi_value fail(napi_env env, const char *text) {
  napi_throw_error(env, NULL, text);
  return NULL;
}

/* A typed array: Node 20 gives no pointer of a SharedArrayBuffer itself. */
static napi_value bind(napi_env env, napi_callback_info info) {
  napi_value values[2];
  size_t count = 2;
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  char name[16] = "";
  napi_get_value_string_utf8(env, values[0], name, sizeof name, NULL);
  const Kernel *kernel = kernelNamed(name);
  if (kernel == NULL) return fail(env, "This processor doesn't run that kernel.");
  void *base;
  size_t bytes;
  if (napi_get_typedarray_info(env, values[1], NULL, &bytes, &base, NULL, NULL) != napi_ok)
    return fail(env, "bind takes a typed array over the memory.");
  preferLargePages(base, bytes);

  napi_value functions;
  napi_create_object(env, &functions);
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; ++i) {
    Bound *bound = malloc(sizeof *bound);
    if (bound == NULL) return fail(env, "The system gives no memory.");
    *bound = (Bound){kernel, base};
    napi_value function;
    napi_create_function(env, FUNCTIONS[i].name, NAPI_AUTO_LENGTH, FUNCTIONS[i].call, bound, &function);
    napi_add_finalizer(env, function, bound, release, NULL, NULL);
    // The memory stays as long as a function does.
    napi_set_named_property(env, function, "memory", values[1]);
    napi_set_named_property(env, functions, FUNCTIONS[i].name, function);
  }
  return functions;
}

static napi_value targets(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value names;
  napi_create_array(env, &names);
  uint32_t count = 0;
  for (const char *const *name = TARGETS; *name != NULL; ++name) {
    if (kernelNamed(*name) == NULL) continue;
    napi_value text;
    napi_create_string_utf8(env, *name, NAPI_AUTO_LENGTH, &text);
    napi_set_element(env, names, count++, text);
  }
  return names;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "bind", NAPI_AUTO_LENGTH, bind, NULL, &function);
  napi_set_named_property(env, exports, "bind", function);
  napi_create_function(env, "targets", NAPI_AUTO_LENGTH, targets, NULL, &function);
  napi_set_named_property(env, exports, "targets", function);
  return exports;
}

// Checks of what Python passes, arrays to give back, and the parts of the module.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "core/span.hpp"

namespace retarget {

namespace nb = nanobind;

void bind_hand(nb::module_& m);
void bind_arm(nb::module_& m);
void bind_mlp(nb::module_& m);
void bind_control(nb::module_& m);
void bind_map(nb::module_& m);
void bind_live(nb::module_& m);

inline std::string text(const std::vector<long>& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + (shape.size() == 1 ? ",)" : ")");
}

inline std::string format_of(double) { return "d"; }
inline std::string format_of(std::int64_t) { return sizeof(long) == 8 ? "l" : "q"; }
inline std::string format_of(int) { return "i"; }
inline std::string format_of(bool) { return "?"; }

/// An array of T that Python lends for the length of a call, C-contiguous but for its first `free` axes.
/// (Plain buffers: nanobind's own arrays cost about a microsecond each, as much as an arm's solution.)
template <class T>
class Lent {
 public:
  Lent(nb::handle object, const char* name, int free = 0) : name_(name) {
    const int flags = (free ? PyBUF_STRIDES : PyBUF_C_CONTIGUOUS) | PyBUF_FORMAT |
                      (std::is_const_v<T> ? 0 : PyBUF_WRITABLE);
    const bool lent = PyObject_GetBuffer(object.ptr(), &view_, flags) == 0;
    if (!lent) PyErr_Clear();
    if (lent && view_.itemsize == sizeof(T) && view_.format &&
        format_of(std::remove_const_t<T>()) == view_.format && contiguous_from(free))
      return;
    if (lent) PyBuffer_Release(&view_);
    throw std::invalid_argument(name_ + " must be a C-contiguous array of format '" +
                                format_of(std::remove_const_t<T>()) + "'" +
                                (std::is_const_v<T> ? "" : " that can be written"));
  }
  ~Lent() { PyBuffer_Release(&view_); }
  Lent(const Lent&) = delete;

  long size() const { return long(view_.len / view_.itemsize); }
  std::vector<long> shape() const { return std::vector<long>(view_.shape, view_.shape + view_.ndim); }

  /// The numbers as they are.
  Span<T> values() const { return {static_cast<T*>(view_.buf), size()}; }

  /// The numbers, once the shape is what it should be and all of them are finite.
  Span<T> checked(const std::vector<long>& wanted, bool finite = true) const {
    bool same = long(wanted.size()) == view_.ndim;
    for (int i = 0; same && i < view_.ndim; ++i) same = view_.shape[i] == wanted[std::size_t(i)];
    if (!same)
      throw std::invalid_argument(name_ + " must have shape " + text(wanted) + ", got " + text(shape()));
    const Span<T> all = values();
    for (long i = 0; finite && i < size(); ++i)
      if (!std::isfinite(double(all[i])))
        throw std::invalid_argument(name_ + " must be finite, got " + std::to_string(double(all[i])) +
                                    " at flat index " + std::to_string(i));
    return all;
  }

  /// The same as rows, one for each index of the first axis.
  Rows<T> checked_rows(const std::vector<long>& wanted, bool finite = true) const {
    const Span<T> all = checked(wanted, finite);
    return {all, wanted[0] ? all.size() / wanted[0] : 1};
  }

  int axes() const { return view_.ndim; }
  long length(int axis) const { return long(view_.shape[axis]); }
  /// Values from one to the next along an axis.
  long step(int axis) const { return long(view_.strides[axis] / view_.itemsize); }

  /// Length of the first of `axes` axes, at least one.
  long rows(int axes) const {
    if (view_.ndim == axes && view_.shape[0] > 0) return long(view_.shape[0]);
    throw std::invalid_argument(name_ + " must have " + std::to_string(axes) +
                                " axes and at least one row, got shape " + text(shape()));
  }

 private:
  bool contiguous_from(int axis) const {
    Py_ssize_t step = view_.itemsize;
    for (int i = view_.ndim - 1; i >= axis; --i) {
      if (view_.strides[i] != step && view_.shape[i] > 1) return false;
      step *= view_.shape[i];
    }
    for (int i = 0; i < axis && i < view_.ndim; ++i)
      if (view_.strides[i] % view_.itemsize) return false;
    return true;
  }

  std::string name_;
  Py_buffer view_;
};

using Doubles = Lent<const double>;

/// Flags as bytes: what Python lends may hold other values than a bool's.
inline Span<unsigned char> bytes(Span<bool> flags) {
  return {reinterpret_cast<unsigned char*>(flags.data()), flags.size()};
}
inline Span<const unsigned char> bytes(Span<const bool> flags) {
  return {reinterpret_cast<const unsigned char*>(flags.data()), flags.size()};
}

/// The array, or nothing for None.
template <class T>
std::optional<Lent<T>> lent_if_any(nb::handle object, const char* name) {
  if (object.is_none()) return std::nullopt;
  return std::optional<Lent<T>>(std::in_place, object, name);
}

inline void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}
inline void require_positive(double value, const char* name) {
  if (std::isfinite(value) && value > 0) return;
  throw std::invalid_argument(std::string(name) + " must be positive and finite, got " +
                              std::to_string(value));
}
inline void require_not_negative(double value, const char* name) {
  if (std::isfinite(value) && value >= 0) return;
  throw std::invalid_argument(std::string(name) + " must be finite and not negative, got " +
                              std::to_string(value));
}

}  // namespace retarget

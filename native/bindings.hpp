// Checks of what Python passes, arrays to give back, and the parts of the module.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <memory>
#include <optional>
#include <stdexcept>

namespace retarget {

namespace nb = nanobind;

void bind_hand(nb::module_& m);
void bind_arm(nb::module_& m);

using Doubles = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;
using Integers = nb::ndarray<const std::int64_t, nb::c_contig, nb::device::cpu>;

inline std::string text(const std::vector<long>& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + (shape.size() == 1 ? ",)" : ")");
}

/// The array's numbers, once its shape is what it should be and all of them are finite.
template <class Array>
auto checked(const Array& array, const char* name, const std::vector<long>& shape, bool finite = true) {
  std::vector<long> actual;
  for (std::size_t i = 0; i < array.ndim(); ++i) actual.push_back(long(array.shape(i)));
  if (actual != shape)
    throw std::invalid_argument(std::string(name) + " must have shape " + text(shape) + ", got " +
                                text(actual));
  const auto* data = array.data();
  for (std::size_t i = 0; finite && i < array.size(); ++i)
    if (!std::isfinite(double(data[i])))
      throw std::invalid_argument(std::string(name) + " must be finite, got " +
                                  std::to_string(double(data[i])) + " at flat index " + std::to_string(i));
  return data;
}

/// A new array, owned by Python.
template <class T>
struct Output {
  std::unique_ptr<T[]> data;
  std::vector<std::size_t> shape;
  explicit Output(std::vector<std::size_t> s) : shape(std::move(s)) {
    std::size_t size = 1;
    for (std::size_t d : shape) size *= d;
    data.reset(new T[size]);
  }
  nb::object release() {
    T* raw = data.release();
    nb::capsule owner(raw, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T>(raw, shape.size(), shape.data(), owner));
  }
};

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

/// Rows of an array of `axes` axes, at least one.
template <class Array>
long rows(const Array& array, const char* name, std::size_t axes) {
  if (array.ndim() == axes && array.shape(0) > 0) return long(array.shape(0));
  std::vector<long> actual;
  for (std::size_t i = 0; i < array.ndim(); ++i) actual.push_back(long(array.shape(i)));
  throw std::invalid_argument(std::string(name) + " must have " + std::to_string(axes) +
                              " axes and at least one row, got shape " + text(actual));
}

}  // namespace retarget

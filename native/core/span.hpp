// Views of numbers that somebody else owns: where they lie, and how many there are.
//
// Bounds are checked where RETARGET_CHECKED is defined (debug and sanitized builds) and cost nothing
// elsewhere. Files compiled for different instruction sets share this one, so everything in it is inlined
// whatever the compiler thinks of it: of a function left as such the linker keeps one copy, and that could
// run where its instructions do not exist.
#pragma once

#define RETARGET_INLINE __attribute__((always_inline)) inline

namespace retarget {

#ifdef RETARGET_CHECKED
/// Says where and how long, and ends the process.
[[noreturn]] void out_of_bounds(long index, long size);
RETARGET_INLINE void check_bounds(bool inside, long index, long size) {
  if (!inside) out_of_bounds(index, size);
}
#else
RETARGET_INLINE void check_bounds(bool, long, long) {}
#endif

/// `size` values, one after the other; false where there are none to be had.
template <class T>
class Span {
 public:
  RETARGET_INLINE constexpr Span() {}
  RETARGET_INLINE constexpr Span(T* data, long size) : data_(data), size_(size) {}
  template <long N>
  RETARGET_INLINE constexpr Span(T (&array)[N]) : data_(array), size_(N) {}
  template <class U, class = decltype(static_cast<T*>(static_cast<U*>(nullptr)))>
  RETARGET_INLINE Span(const Span<U>& values) : data_(values.data()), size_(values.size()) {}
  /// Of a std::vector.
  template <class Values, class = decltype(static_cast<T*>(static_cast<Values*>(nullptr)->data()))>
  RETARGET_INLINE Span(Values& values) : data_(values.data()), size_(long(values.size())) {}

  RETARGET_INLINE T& operator[](long i) const {
    check_bounds(i >= 0 && i < size_, i, size_);
    return data_[i];
  }
  /// The `count` values from `first` on.
  RETARGET_INLINE Span part(long first, long count) const {
    check_bounds(first >= 0 && count >= 0 && first + count <= size_, first + count, size_);
    return {data_ + first, count};
  }
  RETARGET_INLINE Span from(long first) const { return part(first, size_ - first); }

  RETARGET_INLINE T* data() const { return data_; }
  RETARGET_INLINE long size() const { return size_; }
  RETARGET_INLINE T* begin() const { return data_; }
  RETARGET_INLINE T* end() const { return data_ + size_; }
  RETARGET_INLINE explicit operator bool() const { return data_; }

 private:
  T* data_ = nullptr;
  long size_ = 0;
};

/// `count` rows of `width` values each, `step` values from the begin of one to that of the next.
template <class T>
class Rows {
 public:
  RETARGET_INLINE constexpr Rows() {}
  RETARGET_INLINE Rows(T* data, long count, long width, long step)
      : data_(data), count_(count), width_(width), step_(step) {}
  /// All values, `width` of them a row.
  RETARGET_INLINE Rows(Span<T> values, long width)
      : Rows(values.data(), width ? values.size() / width : 0, width, width) {}

  template <class U, class = decltype(static_cast<T*>(static_cast<U*>(nullptr)))>
  RETARGET_INLINE Rows(const Rows<U>& rows) : Rows(rows.data(), rows.count(), rows.width(), rows.step()) {}

  RETARGET_INLINE Span<T> operator[](long row) const {
    check_bounds(row >= 0 && row < count_, row, count_);
    return {data_ + row * step_, width_};
  }
  /// The `count` rows from `first` on.
  RETARGET_INLINE Rows part(long first, long count) const {
    check_bounds(first >= 0 && count >= 0 && first + count <= count_, first + count, count_);
    return {data_ + first * step_, count, width_, step_};
  }
  RETARGET_INLINE T* data() const { return data_; }
  RETARGET_INLINE long count() const { return count_; }
  RETARGET_INLINE long width() const { return width_; }
  RETARGET_INLINE long step() const { return step_; }
  RETARGET_INLINE explicit operator bool() const { return data_; }

 private:
  T* data_ = nullptr;
  long count_ = 0, width_ = 0, step_ = 0;
};

/// Rows found by two indices: as many `Rows` as `count`, `step` values from one to the next.
template <class T>
class Grid {
 public:
  RETARGET_INLINE constexpr Grid() {}
  RETARGET_INLINE Grid(Rows<T> first, long count, long step) : first_(first), count_(count), step_(step) {}
  /// All values, `width` of them a row and `rows` rows together.
  RETARGET_INLINE Grid(Span<T> values, long rows, long width)
      : first_(values.data(), rows, width, width),
        count_(values.size() / (rows * width)),
        step_(rows * width) {}

  RETARGET_INLINE Span<T> operator()(long outer, long inner) const {
    check_bounds(outer >= 0 && outer < count_, outer, count_);
    check_bounds(inner >= 0 && inner < first_.count(), inner, first_.count());
    return {first_.data() + outer * step_ + inner * first_.step(), first_.width()};
  }
  /// All rows with this inner index.
  RETARGET_INLINE Rows<T> column(long inner) const {
    check_bounds(inner >= 0 && inner < first_.count(), inner, first_.count());
    return {first_.data() + inner * first_.step(), count_, first_.width(), step_};
  }
  RETARGET_INLINE long count() const { return count_; }
  RETARGET_INLINE long inner_step() const { return first_.step(); }

 private:
  Rows<T> first_;
  long count_ = 0, step_ = 0;
};

}  // namespace retarget

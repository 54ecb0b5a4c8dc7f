// From a product of exponentials to frames whose z axes are the joints'.
#include "arm/model.hpp"

#include <cmath>

namespace retarget {
namespace {

struct Rotation {
  double m[3][3];  // by rows

  Rotation operator*(const Rotation& b) const {
    Rotation o{};
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        for (int k = 0; k < 3; ++k) o.m[i][j] += m[i][k] * b.m[k][j];
    return o;
  }
  /// Transposed, times v.
  void back(Span<const double> v, Span<double> out) const {
    for (int j = 0; j < 3; ++j) out[j] = m[0][j] * v[0] + m[1][j] * v[1] + m[2][j] * v[2];
  }
};

/// Rz(about_z) Rx(about_x), which brings z to the unit vector v.
struct Turns {
  double about_z, about_x;
  explicit Turns(Span<const double> v)
      : about_z(std::atan2(v[0], -v[1])), about_x(std::atan2(std::hypot(v[0], v[1]), v[2])) {}
  Rotation rotation() const {
    const double cz = std::cos(about_z), sz = std::sin(about_z), cx = std::cos(about_x),
                 sx = std::sin(about_x);
    return {{{cz, -sz * cx, sz * sx}, {sz, cz * cx, -cz * sx}, {0, sx, cx}}};
  }
};

}  // namespace

template <class E>
ArmModel<E> arm_model(const ArmArrays& a) {
  ArmModel<E> m{};
  m.joints = a.joints;
  Rotation frame = Turns(a.axis[0]).rotation();  // axes of the joint's frame at q = 0, in the base's
  for (int i = 0; i < 9; ++i) m.first[i] = E(frame.m[i % 3][i / 3]);
  for (int i = 0; i < 3; ++i) m.step[i] = E(a.step[0][i]);
  for (int k = 0; k < a.joints; ++k) {
    m.scale[k] = E(a.limits.half_range[k]);
    m.lower[k] = E(a.limits.lower[k] / a.limits.half_range[k]);
    m.upper[k] = E(a.limits.upper[k] / a.limits.half_range[k]);
    const bool last = k + 1 == a.joints;
    const double tool_z[3] = {a.tool[2], a.tool[6], a.tool[10]},
                 tool_x[3] = {a.tool[0], a.tool[4], a.tool[8]},
                 tool_step[3] = {a.tool[3], a.tool[7], a.tool[11]};
    double z[3], x[3], step[3];
    frame.back(last ? Span<const double>(tool_z) : a.axis[k + 1], z);
    const Turns next(z);
    m.offset[k] = E(next.about_z);
    m.sine_twist[k] = E(std::sin(next.about_x)), m.cosine_twist[k] = E(std::cos(next.about_x));
    frame = frame * next.rotation();
    frame.back(last ? Span<const double>(tool_step) : a.step[k + 1], step);
    for (int i = 0; i < 3; ++i) m.step[3 * (k + 1) + i] = E(step[i]);
    frame.back(tool_x, x);
    if (last) m.sine_tool = E(x[1]), m.cosine_tool = E(x[0]);
  }
  return m;
}

template ArmModel<double> arm_model(const ArmArrays&);
template ArmModel<float> arm_model(const ArmArrays&);

}  // namespace retarget

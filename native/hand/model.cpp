// A hand's dense arrays made sparse for the kernels.
#include "hand/model.hpp"

#include <algorithm>

namespace retarget {

template <class E>
HandModelOwner<E>::HandModelOwner(const HandArrays& a) {
  HandModel<E>& m = model_;
  m.points = a.points;
  m.components = a.components;
  m.wrist = a.wrist_rotation > 0;
  const int unknowns = a.components + (m.wrist ? 6 : 0);
  m.stride = (unknowns + kBlock - 1) / kBlock * kBlock;
  for (int j = 0; j < kJoints; ++j) {
    m.parent[j] = j ? int(a.parents[j]) : 0;
    for (int d = 0; d < 3; ++d) {
      m.rest[3 * j + d] = E(a.rest[j][d]);
      m.offset[3 * j + d] = E(a.rest[j][d] - a.rest[m.parent[j]][d]);
    }
  }
  std::transform(a.mean.begin(), a.mean.end(), m.mean, [](double x) { return E(x); });
  for (int k = 0; k < a.components; ++k) m.scale[k] = a.sigma[k];
  for (int i = 0; i < 6 && m.wrist; ++i)
    m.scale[a.components + i] = i < 3 ? a.wrist_rotation : a.wrist_translation;
  components_t_.assign(std::size_t(45 * m.stride), E(0));
  for (int k = 0; k < a.components; ++k)
    for (int i = 0; i < 45; ++i) components_t_[std::size_t(i * m.stride + k)] = E(a.basis[k][i] * a.sigma[k]);
  for (int p = 0; p < a.points; ++p) {
    point_.insert(point_.end(), a.point[p].begin(), a.point[p].end());
    const Range skin{int(skin_.size()), 0}, influences{int(influences_.size()), 0};
    bool turns[kJoints] = {};
    for (int j = 0; j < kJoints; ++j) {
      const double weight = a.weights[p][j];
      if (weight == 0) continue;
      skin_.push_back({j, weight});
      for (int up = j; up > 0; up = m.parent[up]) turns[up] = true;
    }
    for (int j = 1; j < kJoints; ++j) {
      const auto entry = [&](int d, int i) { return a.blend[(3 * p + d) * 135 + 9 * (j - 1) + i]; };
      bool blends = false;
      for (int i = 0; i < 27; ++i) blends |= entry(i / 9, i % 9) != 0;
      if (!blends && !turns[j]) continue;
      influences_.push_back({j, turns[j], blends ? int(blend_.size() / 27) : -1});
      for (int i = 0; i < 27 && blends; ++i) blend_.push_back(E(entry(i / 9, i % 9)));
    }
    skin_of_.push_back({skin.begin, int(skin_.size())});
    influences_of_.push_back({influences.begin, int(influences_.size())});
  }
  if (a.start.weights) {
    start_points_.assign(a.start.points.begin(), a.start.points.end());
    start_center_.assign(a.start.center.begin(), a.start.center.end());
    start_spread_.assign(a.start.spread.begin(), a.start.spread.end());
    for (long i = 0; i < a.start.weights.count(); ++i)
      start_weights_.insert(start_weights_.end(), a.start.weights[i].begin(), a.start.weights[i].end());
    m.start = {start_points_, start_center_, start_spread_, Rows<const double>(start_weights_, a.components)};
  }
  m.components_t = components_t_;
  m.point = point_;
  m.skin_of = skin_of_;
  m.influences_of = influences_of_;
  m.skin = skin_;
  m.influences = influences_;
  if (!blend_.empty()) m.blend = blend_;
}

template class HandModelOwner<double>;
template class HandModelOwner<float>;

}  // namespace retarget

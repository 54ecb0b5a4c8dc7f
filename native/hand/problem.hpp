// The hand problem: MANO's keypoints as a function of pose coefficients, with exact derivatives.
//
// Forward model: linear blend skinning with pose blend shapes (Romero et al. 2017, "Embodied Hands",
// eq. 1-6; Loper et al. 2015, "SMPL", eq. 2-10), restricted to the points asked for. A joint is a
// point too: it hangs on its parent with weight 1 and has no blend shapes.
// Derivative of a point by the angles of joint j, the sum of two parts: the points that hang on j turn
// about it, axis x lever, with the axes J_l d theta in the parent's frame (linalg.hpp); and j's pose
// blend shapes move the point at rest by blend dR, dR = [J_l d theta]x R, which skinning then turns.
// Unknowns are z = coefficient / sigma, then, if the wrist is free, its rotation vector and
// translation, each over its own scale.
#pragma once
#include "hand/batch.hpp"
#include "simd/lm.hpp"

namespace RETARGET_ISA {

using retarget::kBlock;

/// lower triangle of H += J^T J for `rows` rows of J, each `stride` long.
template <class V>
void add_normal_matrix(const V* J, int rows, Square<V> H) {
  const int stride = H.stride;
  for (int a = 0; a < stride; a += kBlock)
    for (int b = 0; b <= a; b += kBlock) {
      V sum[kBlock][kBlock];
      for (int i = 0; i < kBlock; ++i)
        for (int j = 0; j < kBlock; ++j) sum[i][j] = H[a + i][b + j];
      for (int r = 0; r < rows; ++r)
        for (int i = 0; i < kBlock; ++i)
          for (int j = 0; j < kBlock; ++j) sum[i][j] += J[r * stride + a + i] * J[r * stride + b + j];
      for (int i = 0; i < kBlock; ++i)
        for (int j = 0; j < kBlock; ++j) H[a + i][b + j] = sum[i][j];
    }
}

template <class V>
class HandProblem {
  using E = typename V::Scalar;
  using Model = retarget::HandModel<E>;
  static constexpr int kRowBlock = 12;  // rows of J kept before they enter the normal matrix

 public:
  static constexpr bool bounded = false;
  const int unknowns, stride, residuals;

  HandProblem(const Model& model, Arena& arena)
      : unknowns(model.components + (model.wrist ? 6 : 0)),
        stride(model.stride),
        residuals(3 * model.points),
        model_(model),
        target_(arena.take<V>(residuals)),
        weight_(arena.take<V>(model.points)),
        rows_(arena.take<V>(kRowBlock * stride)),
        pose_(arena.take<Pose>(1).data()) {}

  Span<V> target() { return target_; }
  Span<V> weight() { return weight_; }
  void set_objective(const retarget::HandObjective& objective) {
    beta_ = V(E(objective.beta)), prior_ = V(E(objective.prior));
    soft_lower_ = objective.soft_lower, soft_upper_ = objective.soft_upper;
    soft_weight_ = V(E(objective.soft_weight));
  }

  /// The points alone, (points) at z.
  void place(Span<const V> z, Span<Vec3<V>> points) {
    set_pose(z);
    for (int p = 0; p < model_.points; ++p) points[p] = place_point(p);
  }

  void evaluate(Span<const V> z, Point<V>& out) {
    set_pose(z);
    out.cost = V(E(0));
    for (int i = 0; i < stride; ++i) out.gradient[i] = V(E(0));
    for (V& h : out.hessian.values) h = V(E(0));
    int filled = 0;
    for (int p = 0; p < model_.points; ++p) {
      const Vec3<V> x = place_point(p);
      add_point(p, x, rows_.part(filled * stride, 3 * stride).data(), out);
      filled += 3;
      if (filled == kRowBlock || p + 1 == model_.points) {
        add_normal_matrix(rows_.data(), filled, out.hessian);
        filled = 0;
      }
    }
    add_priors(z, out);
  }

 private:
  struct Pose {  // everything that depends on the unknowns, for all joints and then for one point
    Mat3<V> rotation[retarget::kJoints], left_jacobian[retarget::kJoints];  // of each joint, in its parent
    Mat3<V> world[retarget::kJoints];                                       // rotation in the hand's frame
    Vec3<V> origin[retarget::kJoints];
    Mat3<V> turning[retarget::kJoints];    // columns: axis about which each angle turns, in the hand's frame
    V feature[retarget::kJoints][9];       // R - I, what the blend shapes multiply
    V d_feature[retarget::kJoints][3][9];  // its derivative by the three angles
    Mat3<V> wrist, wrist_jacobian;
    Vec3<V> wrist_shift;
    Vec3<V> lever[retarget::kJoints];  // of the point at hand: sum of weight (x - joint)
    Mat3<V> skinning;                  // of the point at hand: sum of weight world
    Vec3<V> about_root;
    Mat3<V> by_angle[retarget::kJoints];  // d point / d angles of a joint
  };

  void set_pose(Span<const V> z) {
    Pose& s = *pose_;
    V theta[45];
    for (int i = 0; i < 45; i += 3) {
      V sum[3] = {V(model_.mean[i]), V(model_.mean[i + 1]), V(model_.mean[i + 2])};
      for (int k = 0; k < model_.components; ++k)
        for (int m = 0; m < 3; ++m) sum[m] += z[k] * V(model_.components_t[(i + m) * stride + k]);
      for (int m = 0; m < 3; ++m) theta[i + m] = sum[m];
    }
    s.world[0] = identity3<V>();
    s.origin[0] = splat3<V>(model_.rest);
    for (int j = 1; j < retarget::kJoints; ++j) {
      const int parent = model_.parent[j];
      Mat3<V>& R = s.rotation[j];
      exponential<V>({{theta[3 * j - 3], theta[3 * j - 2], theta[3 * j - 1]}}, R, s.left_jacobian[j]);
      s.origin[j] = s.origin[parent] + s.world[parent] * splat3<V>(model_.offset + 3 * j);
      s.world[j] = s.world[parent] * R;
      s.turning[j] = s.world[parent] * s.left_jacobian[j];
      if (!model_.blend) continue;
      for (int i = 0; i < 9; ++i) s.feature[j][i] = R.m[i] - V(E(i % 4 == 0));
      for (int k = 0; k < 3; ++k)
        for (int col = 0; col < 3; ++col) {
          const Vec3<V> d = cross(s.left_jacobian[j].column(k), R.column(col));
          for (int row = 0; row < 3; ++row) s.d_feature[j][k][3 * row + col] = d[row];
        }
    }
    if (model_.wrist) {
      const int K = model_.components;
      const double* scale = model_.scale + K;
      Vec3<V> w;
      for (int i = 0; i < 3; ++i) {
        w[i] = z[K + i] * V(E(scale[i]));
        s.wrist_shift[i] = z[K + 3 + i] * V(E(scale[3 + i]));
      }
      exponential(w, s.wrist, s.wrist_jacobian);
    }
  }

  /// Position of point p; leaves in the pose what its derivative needs.
  Vec3<V> place_point(int p) {
    Pose& s = *pose_;
    const retarget::Range influences = model_.influences_of[p], skin = model_.skin_of[p];
    V shaped[3][3] = {};  // three partial sums a coordinate, so that additions need not wait for each other
    for (int d = 0; d < 3; ++d) shaped[d][0] = V(model_.point[3 * p + d]);
    for (int a = influences.begin; a < influences.end; ++a) {
      const retarget::Influence& by = model_.influences[a];
      s.lever[by.joint] = {};
      if (by.blend < 0) continue;
      const Span<const E> block = model_.blend.part(27 * by.blend, 27);
      for (int i = 0; i < 9; ++i)
        for (int d = 0; d < 3; ++d) shaped[d][i % 3] += s.feature[by.joint][i] * V(block[9 * d + i]);
    }
    Vec3<V> rest;
    for (int d = 0; d < 3; ++d) rest[d] = shaped[d][0] + shaped[d][1] + shaped[d][2];
    Vec3<V> x{};
    s.skinning = {};
    for (int q = skin.begin; q < skin.end; ++q) {
      const int joint = model_.skin[q].joint;
      const V weight = V(E(model_.skin[q].weight));
      const Vec3<V> carried = s.origin[joint] + s.world[joint] * (rest - splat3<V>(model_.rest + 3 * joint));
      x = x + weight * carried;
      for (int i = 0; i < 9; ++i) s.skinning.m[i] += weight * s.world[joint].m[i];
      for (int j = joint; j > 0; j = model_.parent[j])
        s.lever[j] = s.lever[j] + weight * (carried - s.origin[j]);
    }
    if (!model_.wrist) return x;
    const Vec3<V> root = splat3<V>(model_.rest);
    s.about_root = s.wrist * (x - root);
    return s.about_root + root + s.wrist_shift;
  }

  /// Residual, cost and gradient of point p, and its three rows of the (weighted) Jacobian.
  void add_point(int p, const Vec3<V>& x, V* rows, Point<V>& out) {
    Pose& s = *pose_;
    const retarget::Range influences = model_.influences_of[p];
    for (int a = influences.begin; a < influences.end; ++a) {
      const retarget::Influence& by = model_.influences[a];
      Mat3<V> d{};
      if (by.blend >= 0) {
        const Span<const E> block = model_.blend.part(27 * by.blend, 27);
        for (int i = 0; i < 9; ++i)
          for (int k = 0; k < 3; ++k)
            for (int row = 0; row < 3; ++row)
              d(row, k) += s.d_feature[by.joint][k][i] * V(block[9 * row + i]);
        d = s.skinning * d;
      }
      if (by.turns)
        for (int k = 0; k < 3; ++k) {
          const Vec3<V> turned = cross(s.turning[by.joint].column(k), s.lever[by.joint]);
          for (int row = 0; row < 3; ++row) d(row, k) += turned[row];
        }
      s.by_angle[a - influences.begin] = d;
    }
    // SmoothL1 times 2 beta (Huber 1964): half its slope is the clipped residual, and the quadratic that
    // touches it there, and lies above it elsewhere, has the weight beta / |residual| (iteratively
    // reweighted least squares, Holland and Welsch 1977)
    V slope[3], root_weight[3];
    for (int d = 0; d < 3; ++d) {
      const V r = x[d] - target_[3 * p + d], size = abs(r);
      const V inner = min(size, beta_), w = weight_[p];
      out.residual[3 * p + d] = r;
      out.cost += w * inner * (size + size - inner);
      slope[d] = w * clamp(r, -beta_, beta_);
      root_weight[d] = sqrt(w * select(size > beta_, beta_ / max(size, V(E(1e-30))), V(E(1))));
    }
    for (int k = 0; k < model_.components; k += kBlock) {
      V sum[3][kBlock] = {};
      for (int a = influences.begin; a < influences.end; ++a) {
        const Mat3<V>& d = s.by_angle[a - influences.begin];
        const Span<const E> components =
            model_.components_t.part(3 * (model_.influences[a].joint - 1) * stride, 3 * stride).from(k);
        for (int m = 0; m < 3; ++m)
          for (int row = 0; row < 3; ++row)
            for (int i = 0; i < kBlock; ++i) sum[row][i] += d(row, m) * V(components[m * stride + i]);
      }
      for (int i = 0; i < kBlock; ++i) {
        if (model_.wrist) {
          const Vec3<V> turned = s.wrist * Vec3<V>{{sum[0][i], sum[1][i], sum[2][i]}};
          for (int row = 0; row < 3; ++row) sum[row][i] = turned[row];
        }
        out.gradient[k + i] += slope[0] * sum[0][i] + slope[1] * sum[1][i] + slope[2] * sum[2][i];
        for (int row = 0; row < 3; ++row) rows[row * stride + k + i] = root_weight[row] * sum[row][i];
      }
    }
    if (model_.wrist) add_wrist_columns(slope, root_weight, rows, out);
  }

  void add_wrist_columns(const V* slope, const V* root_weight, V* rows, Point<V>& out) {
    const Pose& s = *pose_;
    const int K = model_.components;
    for (int k = 0; k < 6; ++k) {
      Vec3<V> column{};
      if (k < 3) column = cross(s.wrist_jacobian.column(k), s.about_root);
      else column[k - 3] = V(E(1));
      column = V(E(model_.scale[K + k])) * column;
      out.gradient[K + k] += slope[0] * column[0] + slope[1] * column[1] + slope[2] * column[2];
      for (int row = 0; row < 3; ++row) rows[row * stride + K + k] = root_weight[row] * column[row];
    }
  }

  void add_priors(Span<const V> z, Point<V>& out) {
    for (int k = 0; k < unknowns; ++k) {
      out.cost += prior_ * z[k] * z[k];
      out.gradient[k] += prior_ * z[k];
      out.hessian[k][k] += prior_;
      if (!soft_lower_ || k >= model_.components) continue;
      const double scale = model_.scale[k];
      const V over = z[k] - clamp(z[k], V(E(soft_lower_[k] / scale)), V(E(soft_upper_[k] / scale)));
      out.cost += soft_weight_ * over * over;
      out.gradient[k] += soft_weight_ * over;
      out.hessian[k][k] += select(abs(over) > V(E(0)), soft_weight_, V(E(0)));
    }
  }

  const Model& model_;
  Span<V> target_, weight_, rows_;
  Pose* pose_;
  V beta_, prior_, soft_weight_;
  Span<const double> soft_lower_, soft_upper_;
};

}  // namespace RETARGET_ISA

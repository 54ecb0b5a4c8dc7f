// Further starts for poses that were not reached, from known joints whose wrists are nearest to them.
#include <algorithm>
#include <cmath>

#include "arm_jobs.hpp"

namespace retarget {

constexpr double kSwitch = 1.05;  // a moving arm leaves its nearest pose for one that is this much nearer

void ArmSolver::search(Solved& f, const std::vector<long>& failed, const ArmSettings& settings,
                       void* workspace) const {
  const std::size_t n = half_range_.size(), known_count = std::size_t(known());
  const std::size_t starts = std::min(std::size_t(settings.starts), known_count);
  Jobs jobs(f.targets.data(), failed.size() * starts, n);
  const long chunks = long(known_places_.size()) / (kPlace * kChunk);
  std::vector<double> distance(starts);
  std::vector<long> nearest(starts);
  for (std::size_t k = 0; k < failed.size(); ++k) {
    double here[kPlace];
    place(&f.targets[std::size_t(16 * failed[k])], rotation_weight_, here);
    kernels_.nearest(known_places_.data(), chunks, here, int(starts), distance.data(), nearest.data());
    for (std::size_t s = 0; s < starts; ++s) {
      jobs.pose[k * starts + s] = failed[k];
      std::copy_n(&known_joints_[std::size_t(nearest[s]) * n], n, &jobs.joints[(k * starts + s) * n]);
    }
  }
  if (coarse(settings)) reach_coarsely(jobs, settings);
  else reach(jobs, settings, workspace);
  for (std::size_t k = 0; k < failed.size(); ++k) {
    const std::size_t i = std::size_t(failed[k]), none = jobs.pose.size();
    // equal minima differ by rounding, and a moving arm does not flip between similar ones
    const double by_itself = cost(f.position_error[i], f.rotation_error[i]),
                 enough = by_itself / (f.moving[i] ? kSwitch * kSwitch : 1 + 1e-6) - 1e-18;
    double nearest = INFINITY, least = enough;
    std::size_t best = none;
    for (std::size_t j = k * starts; j < (k + 1) * starts; ++j) {
      f.iterations[i] += jobs.iterations[j];
      const double error = cost(jobs.position_error[j], jobs.rotation_error[j]);
      if (reaches(jobs.position_error[j], jobs.rotation_error[j], settings)) {
        double way = 0;
        for (std::size_t d = 0; d < n; ++d) {
          const double turn = (jobs.joints[j * n + d] - f.start[i * n + d]) / half_range_[d];
          way += turn * turn;
        }
        if (way < nearest) best = j, nearest = way;
      } else if (nearest == INFINITY && error < least / (best == none ? 1 : 1 + 1e-6)) {
        best = j, least = error;
      }
    }
    // near the edge of reach steps shrink before the slowest end; a start that ended there vouches for it
    for (std::size_t j = k * starts; nearest == INFINITY && j < (k + 1) * starts; ++j)
      if (jobs.converged[j] && cost(jobs.position_error[j], jobs.rotation_error[j]) <=
                                   (best == none ? by_itself : least) * (1 + 1e-5))
        f.settled[i] = true;
    if (best == none) continue;
    std::copy_n(&jobs.joints[best * n], n, &f.joints[i * n]);
    f.position_error[i] = jobs.position_error[best];
    f.rotation_error[i] = jobs.rotation_error[best];
    f.reached[i] = nearest < INFINITY;
    f.settled[i] = f.settled[i] || f.reached[i] || jobs.converged[best];
  }
}

}  // namespace retarget

// What `laxity admit` shows: a table for people, one JSON object, a picture.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/admission.h"
#include "core/system_model.h"
#include "sim/scenario.h"
#include "trace/results.h"

namespace laxity {

/// Whose admission is shown. All outlive the calls below.
struct AdmissionCase {
  const Scenario& scenario;
  const SystemModel& system;
  std::string_view policy;
  const Admission& admission;
};

/// One line a stream; under a refused one which test said no, at which instant, because of whom, and what
/// would have been admitted. Ends with a sentence that says what was promised and when it holds.
std::string admission_table(const AdmissionCase& shown);

/// The JSON object of docs/admission.md, schema "laxity.admission/1", one line. Same input, same bytes.
std::string admission_json(const AdmissionCase& shown, const MachineInfo& machine);

/// An SVG document: the plans of a policy that follows plans, for about the first two seconds; where only the
/// demand test has promised anything, the demand curve of the executor with the most streams; for policies
/// without either that of the admitted streams. Errors: kInvalidArgument: no stream was admitted, or, of a
/// policy without plans, a demand curve for more than one executor.
Result<std::string> admission_picture(const AdmissionCase& shown);

}  // namespace laxity

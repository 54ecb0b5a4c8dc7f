"""torch: losses for policies trained on what this library writes."""

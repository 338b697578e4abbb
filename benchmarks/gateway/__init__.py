"""What a governed model call costs, beside gateways that govern less or nothing."""

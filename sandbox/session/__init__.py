"""Session Manager on both ends: stand-ins of the AWS CLI, its plugin and the agent."""

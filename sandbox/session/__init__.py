"""Both ends of Session Manager: stand-ins for the AWS CLI, its plugin and the agent."""
